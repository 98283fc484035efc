//! The scenarios: each runs real programs, ours or the reference's, and looks at what an administrator sees.

mod actions;
mod check;
mod clients;
mod commands;
mod configuration;
mod corpus;
mod disks;
mod e2e;
mod eras;
mod filters;
mod gate;
mod increments;
mod killed;
mod limits;
mod lives;
mod mutations;
mod places;
mod random;
mod regex;
mod reload;
mod requests;
mod samples;
mod signals;
mod socket;
mod stage;
mod takeover;
