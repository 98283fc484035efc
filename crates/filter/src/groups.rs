//! What the groups of one expression captured → data, with alternates and tuples in place.
//!
//! In: the names and texts of the groups that took part. Out: [`Named`].
//! Invariant: a name stands once in the data.

use smol_str::SmolStr;

use crate::Data;
use crate::named::Named;

/// What has to be done with the groups of an expression after it matched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Groups {
    /// A name and the groups that stand in for it, in the order in which they are asked.
    alternates: Vec<(String, Vec<String>)>,
    /// A name and the groups that make a tuple of it.
    tuples: Vec<(String, Vec<String>)>,
}

impl Groups {
    /// Looks through the names of an expression's groups.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = names.into_iter().collect();
        // In the order of their names as text: `alt_user_10` comes before `alt_user_2`.
        names.sort_unstable();
        let mut groups = Self::default();
        for name in names {
            if let Some(base) = base_of(name, "alt_") {
                add(&mut groups.alternates, base, name);
            } else if let Some(base) = base_of(name, "tuple_") {
                add(&mut groups.tuples, base, name);
            }
        }
        groups
    }

    /// Copies alternates to where nothing was captured, then makes tuples.
    pub(crate) fn finish(&self, data: &mut Named) {
        for (base, names) in &self.alternates {
            if text(data, base).is_some_and(|text| !text.is_empty()) {
                continue;
            }
            let mut filled = names.iter().filter_map(|name| text(data, name));
            if let Some(found) = filled.find(|text| !text.is_empty()).cloned() {
                data.insert(base.as_str().into(), Data::Text(found));
            }
        }
        for (base, names) in &self.tuples {
            let parts = std::iter::once(base).chain(names);
            let parts = parts.map(|name| text(data, name).map(ToString::to_string));
            let parts = parts.collect();
            data.insert(base.as_str().into(), Data::Tuple(parts));
        }
    }
}

fn text<'a>(data: &'a Named, name: &str) -> Option<&'a SmolStr> {
    data.find(name).and_then(Data::text)
}

fn add(list: &mut Vec<(String, Vec<String>)>, base: String, name: &str) {
    match list.iter_mut().find(|(known, _)| *known == base) {
        Some((_, names)) => names.push(name.to_owned()),
        None => list.push((base, vec![name.to_owned()])),
    }
}

/// The name for which the group `name` stands in: without the prefix, and without a number behind `_`.
fn base_of(name: &str, prefix: &str) -> Option<String> {
    let rest = name.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
    let base = match rest.rsplit_once('_') {
        Some((base, number))
            if !base.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            base
        }
        Some(_) | None => rest,
    };
    Some(match base {
        "id" => "fid".to_owned(),
        "port" => "fport".to_owned(),
        other => other.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Groups, base_of};
    use crate::Data;
    use crate::named::Named;

    #[test]
    fn a_number_counts_only_behind_an_underscore() {
        for (name, base) in [
            ("alt_user", Some("user")),
            ("alt_user_2", Some("user")),
            ("alt_user1", Some("user1")),
            ("alt_user_a", Some("user_a")),
            ("alt_id_3", Some("fid")),
            ("alt_port", Some("fport")),
            ("alt__1", Some("_1")),
            ("alt_", None),
            ("user", None),
        ] {
            assert_eq!(base_of(name, "alt_").as_deref(), base, "{name}");
        }
    }

    #[test]
    fn a_tuple_begins_with_the_group_it_is_made_of_whether_that_took_part_or_not() {
        let groups = Groups::of(["tuple_id_2", "ip4", "tuple_id_1"]);
        let mut data = Named::default();
        data.insert("tuple_id_2".into(), Data::Text("b".into()));
        groups.finish(&mut data);
        let tuple = vec![None, None, Some("b".to_owned())];
        assert_eq!(data.find("fid"), Some(&Data::Tuple(tuple)));
    }
}
