//! One scenario, two subjects: ours and the distribution's fail2ban.
#![forbid(unsafe_code)]
