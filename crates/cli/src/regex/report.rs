//! The sections after the header: what was found.
//!
//! In: [`Statistics`], the filter. Out: lines of text in the form of the reference, which scripts read.

use std::io;
use std::time::Duration;

use stockade_datetime::TemplateUse;
use stockade_filter::Filter;

use super::debuggex;
use super::options::Options;
use super::printer::Printer;
use super::statistics::{Hits, Lines, Statistics};

/// Prints everything.
pub(super) fn print(
    printer: &mut Printer,
    statistics: &Statistics,
    filter: &Filter,
    options: &Options,
    is_journal: bool,
    elapsed: Duration,
) -> io::Result<()> {
    let verbose = options.verbosity != 0;
    printer.line("")?;
    printer.line("Results")?;
    printer.line("=======")?;
    if let Some(prefregex) = filter.prefregex() {
        printer.line("")?;
        printer.line(&format!("Prefregex: {} total", statistics.prefregex.count))?;
        printer.line(&format!("|  {}", prefregex.expanded()))?;
        for hit in &statistics.prefregex.shown {
            printer.line(&format!("|      {hit}"))?;
        }
        printer.line("`-")?;
    }
    let sources = |regexes: &[std::sync::Arc<stockade_filter::Regex>]| -> Vec<String> {
        regexes.iter().map(|regex| regex.source().to_owned()).collect()
    };
    let failregex = failregexes(filter);
    expressions(printer, "Failregex", &failregex, &statistics.failregex, verbose)?;
    let ignoreregex = sources(filter.ignoreregex());
    expressions(
        printer,
        "Ignoreregex",
        &ignoreregex,
        &statistics.ignoreregex,
        verbose,
    )?;
    if filter.detector().is_some() || !is_journal {
        printer.line("")?;
        printer.line("Date template hits:")?;
        let templates = filter
            .detector()
            .into_iter()
            .flat_map(|detector| detector.templates());
        let used = templates.filter(|template| verbose || template.hits > 0);
        dates(printer, used, options.verbose_date)?;
    }
    let Statistics {
        tested,
        matched,
        ignored,
        missed,
        ..
    } = statistics;
    printer.line("")?;
    printer.line(&format!(
        "Lines: {tested} lines, {} ignored, {} matched, {} missed",
        ignored.count, matched.count, missed.count
    ))?;
    printer.line(&format!("[processed in {:.2} sec]", elapsed.as_secs_f64()))?;
    printer.line("")?;
    for (title, lines, regexes) in [
        ("Matched", matched, filter.failregex()),
        ("Ignored", ignored, filter.ignoreregex()),
        ("Missed", missed, filter.failregex()),
    ] {
        if options.debuggex {
            let multiline = filter.maxlines() > 1;
            let addresses = debuggex::lines(&lines.kept, regexes, multiline);
            list(printer, title, lines, addresses)?;
        } else {
            list(printer, title, lines, lines.kept.iter().cloned())?;
        }
    }
    printer.flush()
}

/// What makes failures: the failregexes, and where fields do it the conditions behind them.
pub(super) fn failregexes(filter: &Filter) -> Vec<String> {
    let conditions = filter
        .structure()
        .filter(|structure| structure.has_host())
        .into_iter()
        .flat_map(|structure| structure.failwhen());
    let regexes = filter.failregex().iter().map(|regex| regex.source());
    regexes.chain(conditions).map(str::to_owned).collect()
}

/// One list of expressions with their hits.
fn expressions(
    printer: &mut Printer,
    title: &str,
    regexes: &[String],
    hits: &[Hits],
    verbose: bool,
) -> io::Result<()> {
    let total: usize = hits.iter().map(|hits| hits.count).sum();
    printer.line("")?;
    printer.line(&format!("{title}: {total} total"))?;
    let mut is_open = false;
    for (number, (regex, hits)) in (1..).zip(regexes.iter().zip(hits)) {
        if !verbose && hits.count == 0 {
            continue;
        }
        if !std::mem::replace(&mut is_open, true) {
            printer.line("|-  #) [# of hits] regular expression")?;
        }
        printer.line(&format!("|  {number:2}) [{}] {regex}", hits.count))?;
        for hit in &hits.shown {
            printer.line(&format!("|      {hit}"))?;
        }
    }
    if is_open { printer.line("`-") } else { Ok(()) }
}

/// The list of date formats.
fn dates(
    printer: &mut Printer,
    templates: impl Iterator<Item = TemplateUse>,
    verbose: bool,
) -> io::Result<()> {
    let mut is_open = false;
    for template in templates {
        if !std::mem::replace(&mut is_open, true) {
            printer.line("|- [# of hits] date format")?;
        }
        printer.line(&format!("|  [{}] {}", template.hits, template.name))?;
        if verbose {
            printer.line(&format!(
                "|      # weight: {:.3} ({:.3}), pattern: {}",
                template.weight,
                template.own_weight,
                template.pattern.as_deref().unwrap_or_default()
            ))?;
            printer.line(&format!("|      # regex:   {}", template.regex))?;
        }
    }
    if is_open { printer.line("`-") } else { Ok(()) }
}

/// One list of lines.
fn list(
    printer: &mut Printer,
    title: &str,
    lines: &Lines,
    entries: impl IntoIterator<Item = String>,
) -> io::Result<()> {
    if !lines.is_mentioned() {
        return Ok(());
    }
    if lines.are_too_many() {
        return printer.line(&format!(
            "{title} line(s): too many to print.  Use --print-all-{} to print all {} lines",
            title.to_lowercase(),
            lines.count
        ));
    }
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    printer.line(&format!("|- {title} line(s):"))?;
    for entry in entries {
        printer.line(&format!("|  {}", entry.trim_end()))?;
    }
    printer.line("`-")
}
