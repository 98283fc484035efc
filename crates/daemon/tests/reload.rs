//! A reload touches what has changed and nothing else: the daemon over a world that writes down what it is asked for.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use stockade_action::command::CommandAction;
use stockade_action::facts::BanFacts;
use stockade_action::plan::{Batch, Definition, Observed};
use stockade_action::services::Services;
use stockade_daemon::blueprint::Blueprint;
use stockade_daemon::control::{ClientId, Request};
use stockade_daemon::growth::Growth;
use stockade_daemon::log::Level;
use stockade_daemon::resolver;
use stockade_daemon::runner::Job;
use stockade_daemon::server::{Placed, Server};
use stockade_daemon::world::{Event, World};
use stockade_datetime::Timestamp;
use stockade_jail::{Address, BanTime, Id, Ticket};
use stockade_protocol::{Answer, Command, Failure, Reply, Value, places};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

#[test]
fn only_what_has_changed_is_touched() {
    let cases: [(&str, &str, &[&str]); 10] = [
        ("nothing", "", &[]),
        ("how often one may fail", "one maxretry 9", &[]),
        ("for how long bans are", "one bantime 9", &[]),
        ("a pattern", "one addfailregex ^also_from_<HOST>$", &[]),
        ("who is spared", "one addignoreip 192.0.2.7", &["own addresses"]),
        ("a log", "one addlogpath /var/log/more", &["follow one"]),
        (
            "a property of an action",
            "one action note port 7",
            &[
                "order one note Unban",
                "dismiss one note Stop",
                "employ one note",
                "order one note Start",
                "order one note Ban",
            ],
        ),
        (
            "an action",
            "one addaction other",
            &["employ one other", "order one other Start", "order one other Ban"],
        ),
        (
            "actionreload of an action that is told",
            "two maxretry 9",
            &["order two note Reload"],
        ),
        ("a setting of the server", "loglevel DEBUG", &["set loglevel"]),
    ];
    for (name, change, expected) in cases {
        let mut server = server();
        let mut stream = configuration();
        if change.starts_with("two") {
            stream.extend(set("two action note actionreload again"));
            server.execute(NOW, reload(stream.clone())).unwrap();
            server.world().asked.clear();
        }
        stream.extend(set(change));
        assert_eq!(server.execute(NOW, reload(stream)), Ok("OK".into()), "{name}");
        assert_eq!(server.world().asked, expected, "{name}");
    }
}

#[test]
fn a_mistake_changes_nothing_and_is_told_with_its_place() {
    let mut server = server();
    let mut stream = configuration();
    stream.extend(set("one maxretry 9"));
    stream.extend(set("two findtime soon"));
    stream.extend(set("two maxlines 0"));
    stream.extend(set("one addfailregex ("));
    send(&mut server, stream, |property| match property {
        "findtime" => vec!["/etc/jail.local:7:12".to_owned()],
        "addfailregex" => vec!["/etc/filter.d/f.conf:2:13".to_owned()],
        _ => Vec::new(),
    });
    assert_eq!(
        server.world().asked,
        ["answer"],
        "nobody but the client hears of it"
    );
    assert_eq!(server.jails().blueprint("one").unwrap().counting.maxretry, 5);
    let log = &server.world().log;
    for (place, told) in [
        ("/etc/jail.local:7:12: ", 1),
        ("/etc/filter.d/f.conf:2:13: ", 1),
        ("maxlines must be", 0),
    ] {
        let count = log.iter().filter(|line| line.starts_with(place)).count();
        assert_eq!(count, told, "{place}: of each jail the first mistake\n{log:#?}");
    }
}

#[test]
fn a_jail_knows_where_its_properties_are_written_also_after_a_reload() {
    let mut server = server();
    let place = |server: &Server<Recorder>| {
        let blueprint = server.jails().blueprint("one").unwrap();
        blueprint
            .place_of_expression(blueprint.failregex[0].expanded())
            .map(ToString::to_string)
    };
    for (name, line, expected) in [
        ("at first", Some(4), Some("filter.conf:4:13")),
        ("moved", Some(9), Some("filter.conf:9:13")),
        ("from a client that does not know", None, None),
    ] {
        send(&mut server, configuration(), |property| match (property, line) {
            ("addfailregex", Some(line)) => {
                vec!["filter.conf:3:1".to_owned(), format!("filter.conf:{line}:13")]
            }
            _ => Vec::new(),
        });
        assert_eq!(place(&server).as_deref(), expected, "{name}");
        assert_eq!(server.world().asked, ["answer"], "{name}: it is no change");
    }
}

/// Two jails at work, with a ban in each.
fn server() -> Server<Recorder> {
    let mut server = Server::new(Recorder::default(), TimeZone::UTC, 2026);
    let commands = configuration().into_iter().map(Placed::from);
    server.stream(NOW, commands).expect("a good configuration");
    for jail in ["one", "two"] {
        let ban = set(&format!("{jail} banip 192.0.2.1")).expect("a command");
        server.execute(NOW, ban).expect("a jail that runs");
    }
    server.world().asked.clear();
    server
}

/// Has a client reload a configuration whose properties are written at these places.
fn send(server: &mut Server<Recorder>, stream: Vec<Command>, places: impl Fn(&str) -> Vec<String>) {
    let command = reload(stream);
    let Command::Reload { stream, .. } = &command else {
        unreachable!("it is a reload");
    };
    let of = |command: &Command| {
        if let Command::SetJail { property, .. } = command {
            places(property)
        } else {
            Vec::new()
        }
    };
    let mut request = command.to_value();
    places::attach(&mut request, stream.iter().map(of));
    server.world().asked.clear();
    let event = Event::Request(ClientId::new(1), Request::Value(request));
    server.world().events.push(event);
    server.turn();
}

/// Each jail is started when everything is said.
fn reload(stream: Vec<Command>) -> Command {
    let (starts, mut stream): (Vec<_>, Vec<_>) = stream
        .into_iter()
        .partition(|command| matches!(command, Command::Start(_)));
    stream.extend(starts);
    Command::Reload {
        jail: None,
        options: Vec::new(),
        stream,
    }
}

fn configuration() -> Vec<Command> {
    ["one", "two"]
        .into_iter()
        .flat_map(|jail| {
            let (jail, backend) = (jail.to_owned(), "polling".to_owned());
            let add = Command::Add {
                jail: jail.clone(),
                backend,
            };
            let properties = [
                "addfailregex ^from_<HOST>$",
                "maxretry 5",
                "bantime 600",
                "addignoreip 127.0.0.1",
                "addlogpath /var/log/some",
                "addaction note",
                "action note actionban ban_<ip>",
                "action note port 22",
            ];
            let sets: Vec<_> = properties
                .iter()
                .filter_map(|words| set(&format!("{jail} {words}")))
                .collect();
            std::iter::once(add).chain(sets).chain([Command::Start(jail)])
        })
        .collect()
}

fn set(words: &str) -> Option<Command> {
    let words: Vec<Value> = std::iter::once("set")
        .chain(words.split_whitespace())
        .map(Value::from)
        .collect();
    (words.len() > 1).then(|| Command::from_value(&Value::List(words)).expect("a command"))
}

/// Writes down what it is asked for.
#[derive(Default)]
struct Recorder {
    asked: Vec<String>,
    log: Vec<String>,
    events: Vec<Event>,
    services: Services,
}

impl Recorder {
    fn ask(&mut self, text: String) {
        self.asked.push(text);
    }
}

fn kind(job: &Job) -> &'static str {
    match job {
        Job::Start(_) => "Start",
        Job::Ban(..) => "Ban",
        Job::Again(..) => "Again",
        Job::Prolong(_) => "Prolong",
        Job::Unban(_) => "Unban",
        Job::Flush { .. } => "Flush",
        Job::Reload(_) => "Reload",
        Job::Stop(_) => "Stop",
        Job::Adjust(..) => "Adjust",
        Job::Call(..) => "Call",
    }
}

impl World for Recorder {
    fn wait(&mut self, _: Option<Timestamp>) -> (Timestamp, Event) {
        (NOW, self.events.pop().unwrap_or(Event::Wakeup))
    }

    fn log(&mut self, _: Level, _: &'static str, text: fmt::Arguments<'_>) {
        self.log.push(text.to_string());
    }

    fn answer(&mut self, _: ClientId, _: Answer) {
        self.ask("answer".to_owned());
    }

    fn set(&mut self, _: Timestamp, option: &str, value: &Value, _: usize) -> Reply {
        self.ask(format!("set {option}"));
        Ok(value.clone())
    }

    fn follow(
        &mut self,
        _: Timestamp,
        blueprint: &Blueprint,
        _: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> Result<(), Failure> {
        self.ask(format!("follow {}", blueprint.name));
        Ok(())
    }

    fn unfollow(&mut self, jail: &str) {
        self.ask(format!("unfollow {jail}"));
    }

    fn services(&self) -> &Services {
        &self.services
    }

    fn observed(&mut self, _: &Definition) -> Result<Observed, String> {
        self.ask("observed".to_owned());
        Ok(Observed::default())
    }

    fn enforce(&mut self, _: &Batch) -> Result<(), String> {
        self.ask("enforce".to_owned());
        Ok(())
    }

    fn employ(&mut self, jail: &str, name: &str, _: CommandAction, _: Duration) -> Result<(), String> {
        self.ask(format!("employ {jail} {name}"));
        Ok(())
    }

    fn order(&mut self, jail: &str, name: &str, job: Job) -> bool {
        self.ask(format!("order {jail} {name} {}", kind(&job)));
        true
    }

    fn dismiss(&mut self, jail: &str, name: &str, job: Job) {
        self.ask(format!("dismiss {jail} {name} {}", kind(&job)));
    }

    fn keep_jail(&mut self, jail: &str, _: bool) {
        self.ask(format!("keep jail {jail}"));
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn ask_history(&mut self, jail: &str, _: u64, _: &Id) {
        self.ask(format!("history for {jail}"));
    }

    fn keep_ban(&mut self, jail: &str, _: &Ticket, _: BanTime, _: Option<Growth>, _: String) {
        self.ask(format!("keep ban of {jail}"));
    }

    fn forget_ban(&mut self, _: Option<&str>, _: Option<&str>) {
        self.ask("forget".to_owned());
    }

    fn resolve(&mut self, _: Timestamp, name: &str) -> Option<resolver::Answer> {
        self.ask(format!("resolve {name}"));
        None
    }

    fn read_list(&mut self, path: &str) -> Result<String, String> {
        self.ask(format!("read {path}"));
        Ok(String::new())
    }

    fn ask_command(&mut self, jail: &str, _: u64, _: &str, _: BanFacts) {
        self.ask(format!("ask for {jail}"));
    }

    fn own_addresses(&mut self) -> Vec<Address> {
        self.ask("own addresses".to_owned());
        Vec::new()
    }
}
