//! The way to a value: which references were followed, and where each of them led.
//!
//! Invariant: however much text a value is put together from, a bounded number of steps is remembered.

use crate::Span;

/// How many steps one value remembers; the longest value of a stock configuration has about forty.
const LIMIT: usize = 256;

/// A reference in a value, and what it stood for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As it is written, such as `%(sshd_log)s` or `<mode>`; names of `%(…)s` are in lower case.
    pub reference: String,
    /// Where the text that it stands for is written; `None` where it comes from no file.
    pub at: Option<Span>,
    /// Within how many other references it stands.
    pub depth: usize,
}

/// The steps to one value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    /// Remembers a reference, and below it the steps that its text had taken before.
    ///
    /// A reference that stands there several times is remembered once.
    pub(crate) fn add(&mut self, reference: String, at: Option<&Span>, depth: usize, below: &Self) {
        if self.0.len() >= LIMIT {
            return;
        }
        let known = self
            .0
            .iter()
            .any(|step| step.depth == depth && step.reference == reference && step.at.as_ref() == at);
        if known {
            return;
        }
        self.push(Step {
            reference,
            at: at.cloned(),
            depth,
        });
        for step in &below.0 {
            self.push(Step {
                depth: depth + 1 + step.depth,
                ..step.clone()
            });
        }
    }

    fn push(&mut self, step: Step) {
        if self.0.len() < LIMIT {
            self.0.push(step);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }
}
