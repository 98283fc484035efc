//! A whole configuration of some small files, put together from bytes: a byte below 128 is a character, one above is
//! a piece of the language, and some begin the next file.

use super::memory::{Memory, read};

/// Where the files are; a byte from 240 on goes to one of them.
const FILES: [&str; 16] = [
    "conf/jail.conf",
    "conf/jail.local",
    "conf/jail.d/a.conf",
    "conf/inc.conf",
    "conf/inc.local",
    "conf/fail2ban.local",
    "conf/filter.d/f.conf",
    "conf/filter.d/f.local",
    "conf/filter.d/f.d/a.conf",
    "conf/filter.d/inc.conf",
    "conf/filter.d/g.conf",
    "conf/action.d/x.conf",
    "conf/action.d/x.local",
    "conf/action.d/x.d/a.conf",
    "conf/action.d/inc.conf",
    "conf/action.d/y.conf",
];

/// What the bytes from 128 stand for.
const PIECES: [&str; 112] = [
    "%(",
    ")s",
    "%%",
    "%",
    "<",
    ">",
    "known/",
    "default/",
    "Init/",
    "Definition/",
    "one/",
    "__name__",
    "[",
    "]",
    "=",
    "\"",
    "'",
    ", ",
    ";",
    " ; ",
    "#",
    "?",
    "?family=inet6",
    "?family=inet4",
    ":",
    "\n",
    "\n ",
    "\n\n",
    "\r\n",
    "\t",
    " ",
    "<a>",
    "<b>",
    "<c>",
    "<a<b>>",
    "<known/a>",
    "<Init/a>",
    "<Definition/a>",
    "<one/a>",
    "<DEFAULT/a>",
    "<HOST>",
    "<ip>",
    "<matches>",
    "<timeout>",
    "<name>",
    "<mode>",
    "%(a)s",
    "%(b)s",
    "%(c)s",
    "%(known/a)s",
    "%(known/failregex)s",
    "%(known/action)s",
    "%(default/a)s",
    "%(one/a)s",
    "%(__name__)s",
    "%(fail2ban_version)s",
    "\na = ",
    "\nb = ",
    "\nc = ",
    "\nmode = ",
    "\n[DEFAULT]\n",
    "\n[Definition]\n",
    "\n[Init]\n",
    "\n[Init?family=inet6]\n",
    "\n[INCLUDES]\n",
    "\n[one]\nenabled = true\n",
    "\n[two]\nenabled = on\n",
    "\n[part_a]\n",
    "\n[Thread]\n",
    "\nenabled = 1\n",
    "\nfilter = f",
    "\nfilter = g[a=",
    "\nfilter = %(__name__)s[mode=<a>]",
    "\naction = x",
    "\naction = x[name=n, a=",
    "\naction = y\n x[",
    "\naction = y.py[actname=z]",
    "\nbefore = inc.conf",
    "\nafter = inc.conf",
    "\nbefore = f.conf",
    "\nfailregex = ",
    "\nignoreregex = ",
    "\nprefregex = ",
    "\nmaxlines = ",
    "\nusedns = ",
    "\ndatepattern = ",
    "\njournalmatch = ",
    "\nmaxretry = ",
    "\nignoreip = ",
    "\nlogpath = conf/*.conf",
    "\nlogpath = /nowhere",
    "\nbackend = ",
    "systemd",
    "\nskip_if_nologs = 1",
    "\nactionstart = ",
    "\nactionban = ",
    "\nactionban?family=inet6 = ",
    "\nnorestored = ",
    "\nactionstart_on_demand = ",
    "\nbantime = ",
    "\nstacksize = ",
    "\ndbmaxmatches = ",
    "\nloglevel = ",
    "\nlogtype = ",
    "journal",
    "file",
    "é",
    "\u{feff}",
    "\u{a0}",
    "\u{85}",
    "\0",
    "<<<>>>",
];

pub(crate) fn look(bytes: &[u8]) {
    let mut files = Memory::default();
    let mut path = "conf/jail.conf";
    files.0.insert(
        "conf/fail2ban.conf".to_owned(),
        b"[Definition]\n[Thread]\n".to_vec(),
    );
    for byte in bytes {
        let text = match byte.checked_sub(128) {
            None => std::slice::from_ref(byte),
            Some(number) => match PIECES.get(usize::from(number)) {
                Some(piece) => piece.as_bytes(),
                None => {
                    path = FILES
                        .get(usize::from(number) - PIECES.len())
                        .expect("sixteen bytes are left");
                    &[]
                }
            },
        };
        files
            .0
            .entry(path.to_owned())
            .or_default()
            .extend_from_slice(text);
    }
    read(&files);
}
