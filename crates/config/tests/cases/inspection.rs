//! A configuration with several mistakes: reading goes on behind each, and every place is where it is written.

use stockade_config::{Inspection, Mistake, inspect};

use crate::support::Memory;

fn inspection(files: &[(&str, &str)]) -> Inspection {
    let files = files
        .iter()
        .map(|(path, text)| (format!("conf/{path}"), text.as_bytes().to_vec()))
        .collect();
    inspect(&Memory(files), "conf/", "1.1.1", &[])
}

/// The very places and the texts of all errors.
fn errors(inspection: &Inspection) -> Vec<String> {
    let shown = |mistake: &Mistake| match mistake {
        Mistake::Error(error) => {
            let at = error.exact_span().map(ToString::to_string).unwrap_or_default();
            let text = error.to_string();
            format!("{at} {}", text.lines().next().unwrap_or_default())
        }
        Mistake::Unreadable { path, reason } => format!("{path} {reason}"),
        Mistake::NotUtf8 { at, byte } => format!("{at} byte {byte:#04x}"),
        Mistake::MissingInclude { at, path } => {
            format!(
                "{} no {path}",
                at.as_ref().map(ToString::to_string).unwrap_or_default()
            )
        }
        Mistake::Definition { exactly, error, .. } => {
            format!(
                "{} {error}",
                exactly.as_ref().map(ToString::to_string).unwrap_or_default()
            )
        }
        Mistake::NoFile { at, name, .. } => {
            format!(
                "{} no file {name}",
                at.as_ref().map(ToString::to_string).unwrap_or_default()
            )
        }
        Mistake::NoDefinition { path, .. } => format!("{path} no definition"),
    };
    inspection.mistakes.iter().map(shown).collect()
}

#[test]
fn goes_on_behind_each_mistake() {
    let found = inspection(&[
        ("fail2ban.conf", "[Definition]\nloglevel = %(nope)s\n"),
        (
            "jail.conf",
            "[INCLUDES]\nbefore = a.conf\n  b.conf\n[DEFAULT]\nwho = %(who)s\nbad = 5%\n\
             [one]\nenabled = yes\n  # remark\nfilter = door[x=\"1\", y=<y>]\nwhat is this\nbantime = %(bad)s\nbantime = 3\n\
             action = lock[a=1\n  gone\n  gate[x=1 y=2, z]\n[two]\nenabled = 1\nfilter = nope\nfindtime = %(who)s\n[two]\n",
        ),
        (
            "filter.d/door.conf",
            "[Definition]\nfailregex = ^a <HOST>\n\n    ; no\n     %(missing)s <loop>\nloop = <pool>\npool = x<loop>\n",
        ),
    ]);
    let expected = [
        "conf/fail2ban.conf:2:12 Bad value substitution: option 'loglevel' in section 'Definition' contains an \
         interpolation key 'nope' which is not a valid option name. Raw value: '%(nope)s'",
        "conf/jail.conf:13:1 While reading from 'conf/jail.conf' [line 13]: option 'bantime' in section 'one' already exists",
        "conf/jail.conf:21:1 While reading from 'conf/jail.conf' [line 21]: section 'two' already exists",
        "conf/jail.conf:11:1 Source contains parsing errors: 'conf/jail.conf'",
        "conf/jail.conf:2:10 no conf/a.conf",
        "conf/jail.conf:3:3 no conf/b.conf",
    ];
    let found = errors(&found);
    assert_eq!(found.get(..6).unwrap_or_default(), expected, "{found:#?}");
    let rest = found.get(6..).unwrap_or_default().join("\n");
    for (name, part) in [
        (
            "in a filter",
            "conf/filter.d/door.conf:5:6 Bad value substitution",
        ),
        (
            "a parameter that is itself",
            "conf/jail.conf:10:24 properties contain self",
        ),
        ("an action that is not closed", "conf/jail.conf:14:"),
        ("an action without a file", "conf/jail.conf:15:3 no file gone"),
        ("a filter without a file", "conf/jail.conf:19:10 no file nope"),
        (
            "a value that leads to itself",
            "conf/jail.conf:5:7 Recursion limit",
        ),
    ] {
        assert!(rest.contains(part), "{name}: {rest}");
    }
}

#[test]
fn traces_every_part_of_a_text_to_its_file() {
    let found = inspection(&[
        ("fail2ban.conf", "[Definition]\n"),
        (
            "jail.conf",
            "[DEFAULT]\nunused = 1\nword = jail\n[one]\nenabled = 1\nfilter = door[p=\"par am\"]\n\
             failregex = %(known/failregex)s\n  ^%(word)s <HOST>\n",
        ),
        (
            "filter.d/door.conf",
            "[Definition]\nfailregex =\n  ^é<p> <HOST>\n  # remark\n   ^<mid>end\nmid = (middle\nidle = 1\n",
        ),
    ]);
    assert_eq!(errors(&found), Vec::<String>::new());
    let jail = found.jails.first().expect("a jail");
    let text = jail.option("failregex").expect("a failregex");
    assert_eq!(
        text.as_str(),
        Some("\n^épar am <HOST>\n^(middleend\n^jail <HOST>")
    );
    for (part, place) in [
        ("^é", "conf/filter.d/door.conf:3:3"),
        ("par am", "conf/jail.conf:6:18"),
        (" <HOST>\n^(", "conf/filter.d/door.conf:3:8"),
        ("(middle", "conf/filter.d/door.conf:6:7"),
        ("end", "conf/filter.d/door.conf:5:10"),
        ("^jail", "conf/jail.conf:8:3"),
        ("jail", "conf/jail.conf:3:8"),
    ] {
        let byte = text.as_str().and_then(|text| text.find(part)).expect(part);
        let found = text.place(byte).map(|at| at.to_string());
        assert_eq!(found.as_deref(), Some(place), "{part}");
    }
    let unused: Vec<&str> = found
        .files
        .iter()
        .flat_map(|file| &file.sections)
        .flat_map(|section| &section.options)
        .filter(|option| !option.is_used())
        .map(|option| option.name())
        .collect();
    assert_eq!(unused, ["idle", "unused"]);
}
