//! Whether the stock actions are recognised, as the reference's own client reads them.
//!
//! Needs the reference in `target/reference`. Without it the test says so and passes, but fails where the environment
//! variable `CI` is set.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stockade_action::native::{Jump, Kind, recognise};
use stockade_action::plan::Definition;
use stockade_action::services::Services;
use stockade_action::tags::Properties;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The properties of `action`, defined in `action_d`, as the client would send them to the server.
fn properties(action_d: &Path, action: &str) -> Properties {
    let reference = repository().join("target/reference");
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path();
    fs::create_dir(config.join("filter.d")).unwrap();
    std::os::unix::fs::symlink(action_d, config.join("action.d")).unwrap();
    let log = config.join("x.log");
    let jail = format!(
        "[sshd]\nenabled=true\nfilter=f\nbackend=polling\nlogpath={}\naction={action}\n",
        log.display()
    );
    for (name, text) in [
        (
            "fail2ban.conf",
            "[Definition]\nloglevel=INFO\nlogtarget=STDOUT\nsyslogsocket=auto\nsocket=s\npidfile=p\n\
             dbfile=None\ndbmaxmatches=10\ndbpurgeage=1d\n",
        ),
        ("filter.d/f.conf", "[Definition]\nfailregex = ^x <HOST>\n"),
        ("x.log", ""),
        ("jail.conf", &jail),
    ] {
        fs::write(config.join(name), text).unwrap();
    }
    let output = Command::new("/usr/bin/python3")
        .arg(reference.join("usr/bin/fail2ban-client"))
        .arg("-c")
        .arg(config)
        .arg("-d")
        .env("PYTHONPATH", reference.join("usr/lib/python3/dist-packages"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("['multi-set'"));
    let line = line.unwrap_or_else(|| panic!("{action}: {}", String::from_utf8_lossy(&output.stderr)));
    let texts = texts(line);
    let mut properties = Properties::default();
    // 'multi-set', the jail, 'action', the action's name, and then pairs.
    for pair in texts.get(4..).unwrap_or_default().chunks(2) {
        if let [name, value] = pair {
            properties.set(name, value.clone());
        }
    }
    properties
}

/// The texts in a Python literal, in their order.
fn texts(literal: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut chars = literal.chars();
    while let Some(quote) = chars.find(|char| matches!(char, '\'' | '"')) {
        let mut text = String::new();
        loop {
            match chars.next().unwrap() {
                '\\' => match chars.next().unwrap() {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    other => text.push(other),
                },
                char if char == quote => break,
                char => text.push(char),
            }
        }
        texts.push(text);
    }
    texts
}

#[test]
fn the_stock_iptables_actions_are_recognised_and_changed_ones_are_not() {
    let reference = repository().join("target/reference/etc/fail2ban/action.d");
    if !reference.exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI lacks target/reference: cargo xtask setup"
        );
        println!("skipped: needs target/reference: cargo xtask setup");
        return;
    }
    let cases = [
        ("iptables", Some(Kind::Iptables(Jump::Oneport))),
        (
            "iptables[type=multiport, port=\"22,80\", chain=\"INPUT,FORWARD\"]",
            Some(Kind::Iptables(Jump::Multiport)),
        ),
        ("iptables-multiport", Some(Kind::Iptables(Jump::Multiport))),
        (
            "iptables-multiport[name=other, port=\"ssh,1000:2000\", protocol=\"tcp,udp\", chain=\"<known/chain>\"]",
            Some(Kind::Iptables(Jump::Multiport)),
        ),
        (
            "iptables-multiport[blocktype=DROP, returntype=ACCEPT]",
            Some(Kind::Iptables(Jump::Multiport)),
        ),
        (
            "iptables-multiport[lockingopt=\"-w 5\"]",
            Some(Kind::Iptables(Jump::Multiport)),
        ),
        (
            "iptables-allports[protocol=all]",
            Some(Kind::Iptables(Jump::Allports)),
        ),
        ("iptables-new[port=ssh]", Some(Kind::Iptables(Jump::New))),
        ("iptables-ipset", Some(Kind::Ipset(Jump::Oneport))),
        (
            "iptables-ipset[type=allports, ipsettime=<timeout-bantime>]",
            Some(Kind::Ipset(Jump::Allports)),
        ),
        (
            "iptables-ipset-proto6[port=\"ssh,80\", maxelem=1000, default-ipsettime=60]",
            Some(Kind::Ipset(Jump::Multiport)),
        ),
        (
            "iptables-ipset-proto6-allports",
            Some(Kind::Ipset(Jump::Allports)),
        ),
        ("iptables-ipset-proto4", None),
        ("iptables-multiport-log", None),
        ("iptables-xt_recent-echo", None),
        ("iptables[pre-rule=\"-m addrtype --src-type UNICAST\"]", None),
        ("iptables[rule-jump=\"-j DROP\"]", None),
        ("iptables[actionban=\"echo <ip>\"]", None),
        ("iptables-ipset[timeout-bantime=7]", None),
        ("iptables-ipset[ipsettype=\"hash:net\"]", None),
    ];
    let ours = repository().join("config/action.d");
    let own = [
        ("iptables-ipset[ends=kernel]", Some(Kind::Ipset(Jump::Oneport))),
        (
            "iptables[blocktype=\"REJECT --reject-with <rejecttype>\"]",
            Some(Kind::Iptables(Jump::Oneport)),
        ),
        ("iptables[rule-custom=x, type=custom]", None),
    ];
    for (action_d, cases) in [(&reference, &cases[..]), (&ours, &cases[..]), (&ours, &own[..])] {
        for &(action, expected) in cases {
            let properties = properties(action_d, action);
            let found = recognise(&properties);
            assert_eq!(found, expected, "{action} of {}", action_d.display());
            if let Some(kind) = found {
                let definition = Definition::new(kind, &properties, &Services::default());
                assert!(definition.is_ok(), "{action}: {}", definition.unwrap_err());
            }
        }
    }
}

#[test]
fn the_stock_nftables_actions_are_recognised_and_changed_ones_are_not() {
    let reference = repository().join("target/reference/etc/fail2ban/action.d");
    if !reference.exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI lacks target/reference: cargo xtask setup"
        );
        println!("skipped: needs target/reference: cargo xtask setup");
        return;
    }
    let cases = [
        ("nftables", Some(Kind::Multiport)),
        ("nftables-multiport", Some(Kind::Multiport)),
        ("nftables-allports", Some(Kind::Allports)),
        ("nftables[type=allports]", Some(Kind::Allports)),
        (
            "nftables-multiport[name=other, port=\"ssh,1000:2000\", protocol=\"tcp\", chain=\"<known/chain>\"]",
            Some(Kind::Multiport),
        ),
        (
            "nftables-allports[table=t, chain=c, chain_hook=forward, chain_priority=10, blocktype=drop, \
             protocol=all, addr_set=\"x-<name>\", addr_set?family=inet6=\"y-<name>\"]",
            Some(Kind::Allports),
        ),
        ("nftables[type=custom, rule_match-custom=\"tcp dport 22\"]", None),
        ("nftables[rule_match-multiport=\"tcp dport 22\"]", None),
        ("nftables[actionban=\"echo <ip>\"]", None),
        ("nftables[actionunban=\"\"]", None),
        ("nftables[actionprolong=\"echo\"]", None),
    ];
    for action_d in [reference, repository().join("config/action.d")] {
        for (action, expected) in cases {
            let properties = properties(&action_d, action);
            let found = recognise(&properties);
            assert_eq!(found, expected, "{action} of {}", action_d.display());
            if let Some(kind) = found {
                let definition = Definition::new(kind, &properties, &Services::default());
                assert!(definition.is_ok(), "{action}: {}", definition.unwrap_err());
            }
        }
    }
}
