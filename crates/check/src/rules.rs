//! The rules, a family each.

mod actions;
mod addresses;
mod characters;
mod jails;
mod names;
mod patterns;
mod reading;
mod shadows;
mod strays;
mod structure;
mod values;

use crate::context::Context;

/// Applies all rules.
pub(crate) fn apply(context: &mut Context<'_>) {
    reading::apply(context);
    characters::apply(context);
    values::apply(context);
    addresses::apply(context);
    patterns::apply(context);
    structure::apply(context);
    actions::apply(context);
    names::apply(context);
    shadows::apply(context);
    strays::apply(context);
    jails::apply(context);
}
