//! What comes over the control socket from clients that mean no good, or do not know better.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stockade_protocol::framing::{CLOSE, MAX_MESSAGE, TERMINATOR};
use stockade_protocol::{Answer, Frame, Framer, Value, message, pickle};
use stockade_sys::Poller;
use tempfile::TempDir;

use super::{BLOCK, BUFFERED, CLIENTS, ClientId, Control, LISTENER_UNREAD, LISTENERS, Request, UNREAD};
use crate::log::Records;

const LISTENER: u64 = 1;
const FIRST: u64 = 1 << 32;
/// Turns after which nothing more is to be expected.
const TURNS: usize = 100_000;

/// A control socket with a daemon behind it that answers each request with as many letters as it asks for.
struct Stand {
    directory: TempDir,
    poller: Poller,
    control: Control,
    log: Arc<Mutex<Vec<String>>>,
    /// Who asked last.
    last: Option<ClientId>,
    /// The most that waited at any time.
    most: usize,
}

impl Stand {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("sock")).unwrap();
        let poller = Poller::new().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let records = {
            let log = Arc::clone(&log);
            Records::to(move |_, _, text| log.lock().unwrap().push(text.to_owned()))
        };
        let control = Control::new(listener, &poller, LISTENER, FIRST, records).unwrap();
        Self {
            directory,
            poller,
            control,
            log,
            last: None,
            most: 0,
        }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.directory.path().join("sock")).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// Takes what there is, and answers one request; whether there was anything.
    fn turn(&mut self) -> bool {
        let mut ready = Vec::new();
        self.poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        let mut any = !ready.is_empty();
        for ready in ready {
            self.control.ready(&self.poller, ready);
            self.most = self.most.max(self.control.buffered());
        }
        if let Some((id, request)) = self.control.take() {
            any = true;
            self.last = Some(id);
            let answer = match request {
                Request::Value(value) => {
                    let wanted = value.items().and_then(<[Value]>::first).map(Value::int);
                    let count = usize::try_from(wanted.and_then(Result::ok).unwrap_or(1)).unwrap();
                    Answer::Reply(Ok("x".repeat(count).into()))
                }
                Request::Undecodable(error) => Answer::Refused(error),
            };
            self.control.answer(&self.poller, id, answer);
            self.most = self.most.max(self.control.buffered());
        }
        any
    }

    /// Turns until nothing happens any more.
    fn settle(&mut self) {
        let turns = (0..TURNS).take_while(|_| self.turn()).count();
        assert!(turns < TURNS, "it comes to rest");
    }

    /// Sends all of `bytes`; `false` where the daemon hung up.
    fn send(&mut self, stream: &mut UnixStream, mut bytes: &[u8]) -> bool {
        for _ in 0..TURNS {
            match stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
            if bytes.is_empty() {
                return true;
            }
            self.turn();
        }
        panic!("it does not take {} bytes", bytes.len());
    }

    /// What the daemon has sent so far, as values, and whether it hung up.
    fn read(&mut self, stream: &mut UnixStream) -> (Vec<Value>, bool) {
        let mut framer = Framer::new();
        let (mut values, mut block) = (Vec::new(), vec![0; BLOCK]);
        loop {
            self.settle();
            match stream.read(&mut block) {
                Ok(count @ 1..) => framer.push(&block[..count]).unwrap(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (values, false),
                Ok(0) | Err(_) => return (values, true),
            }
            while let Some(Frame::Message(bytes)) = framer.frame() {
                values.push(pickle::decode(&bytes).unwrap());
            }
        }
    }

    /// Whether a new client is answered.
    fn serves(&mut self) -> bool {
        let mut stream = self.connect();
        self.send(&mut stream, &ask(3)) && self.read(&mut stream).0 == [Value::pair(0, "xxx")]
    }
}

/// A request for so many letters.
fn ask(count: usize) -> Vec<u8> {
    message(&Value::list([count]))
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [bytes, TERMINATOR].concat()
}

#[test]
fn bytes_that_are_no_request_are_answered_with_an_error() {
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()[0]
    })
    .take(50_000)
    .collect();
    let deep = [vec![b'('; 100_000], vec![b't'; 100_000], vec![b'.']].concat();
    let doubling = {
        // A list of a list of … twice each: 2^60 items, were they written out.
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for level in 0..60_u8 {
            bytes.extend([b'(', b'h', level, b'h', level, b'l', b'q', level + 1]);
        }
        bytes.push(b'.');
        bytes
    };
    let cases: [(&str, Vec<u8>, usize); 14] = [
        ("nothing", framed(b""), 1),
        ("a cut pickle", framed(b"\x80\x05\x95\x0b\x00\x00"), 1),
        ("random bytes", framed(&random), 1),
        ("a call of the system", framed(b"cos\nsystem\n(S'true'\ntR."), 1),
        (
            "a call by its name on the stack",
            framed(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."),
            1,
        ),
        ("a persistent id", framed(b"Psomething\n."), 1),
        ("an extension", framed(b"\x80\x02\x82\x01."), 1),
        ("an object", framed(b"(iposix\nsystem\n."), 1),
        (
            "an object that builds itself",
            framed(b"\x80\x02c__main__\nX\n)\x81}b."),
            1,
        ),
        ("a text of four gigabytes", framed(b"X\xff\xff\xff\xff"), 1),
        ("a nest of a hundred thousand", framed(&deep), 1),
        ("two to the sixtieth items", framed(&doubling), 1),
        (
            "an end within a text",
            [framed(b"\x8c\x20"), framed(b"rest.")].concat(),
            2,
        ),
        ("half a message, and the end", b"\x80\x05\x95".to_vec(), 0),
    ];
    let mut stand = Stand::new();
    for (name, bytes, answers) in cases {
        let mut stream = stand.connect();
        assert!(stand.send(&mut stream, &bytes), "{name}");
        stream.shutdown(Shutdown::Write).unwrap();
        let (values, closed) = stand.read(&mut stream);
        let refusals = values.iter().filter(|value| value.as_str().is_some()).count();
        assert_eq!((values.len(), refusals), (answers, answers), "{name}: {values:?}");
        assert!(closed, "{name}");
        assert!(stand.serves(), "{name}: others are answered");
        assert_eq!(stand.control.buffered(), 0, "{name}");
    }
}

#[test]
fn a_connection_ends_even_where_a_child_holds_a_copy_of_it() {
    let mut stand = Stand::new();
    let mut stream = stand.connect();
    assert!(stand.send(&mut stream, &ask(1)));
    assert_eq!(stand.read(&mut stream), (vec![Value::pair(0, "x")], false));
    let client = stand.control.clients.values().next().unwrap();
    let _copy = client.stream.try_clone().unwrap();
    assert!(stand.send(&mut stream, &framed(CLOSE)));
    assert_eq!(stand.read(&mut stream), (vec![], true));
}

#[test]
fn requests_are_answered_in_their_order_until_the_client_takes_its_leave() {
    let mut stand = Stand::new();
    let mut stream = stand.connect();
    let requests = [ask(1), ask(2), framed(b"rubbish"), ask(3), framed(CLOSE), ask(4)].concat();
    assert!(stand.send(&mut stream, &requests));
    let (values, closed) = stand.read(&mut stream);
    let lengths: Vec<usize> = values.iter().map(|value| value.repr().len()).collect();
    assert_eq!(values.len(), 4, "{values:?}");
    assert_eq!((lengths[0], lengths[1], lengths[3]), (8, 9, 10), "{values:?}");
    assert!(closed);
}

#[test]
fn a_message_without_end_is_given_up() {
    let mut stand = Stand::new();
    let mut stream = stand.connect();
    let block = vec![b'x'; 1 << 20];
    let sent = (0..80).take_while(|_| stand.send(&mut stream, &block)).count();
    assert!((63..80).contains(&sent), "{sent} MiB were taken");
    assert!(stand.most <= MAX_MESSAGE + BLOCK, "{} bytes waited", stand.most);
    let (values, _) = stand.read(&mut stream);
    assert_eq!(
        values,
        [Value::from(format!("message is longer than {MAX_MESSAGE} bytes"))]
    );
    drop(stream);
    assert!(stand.serves());
    assert_eq!(stand.control.buffered(), 0);
}

#[test]
fn all_clients_together_have_a_limit_and_the_greatest_has_to_go() {
    let mut stand = Stand::new();
    let block = vec![b'x'; 1 << 20];
    let mut streams: Vec<_> = (0..6).map(|_| stand.connect()).collect();
    for _ in 0..60 {
        for stream in &mut streams {
            stand.send(stream, &block);
        }
    }
    assert!(stand.most <= BUFFERED + BLOCK, "{} bytes waited", stand.most);
    assert!(stand.control.buffered() <= BUFFERED);
    let log = stand.log.lock().unwrap().clone();
    assert!(
        log.iter().any(|text| text.contains("is dropped")),
        "the log says so: {log:?}"
    );
    assert!(stand.serves());
}

#[test]
fn a_client_that_never_reads_is_served_no_further() {
    let mut stand = Stand::new();
    let mut streams: Vec<_> = (0..4).map(|_| stand.connect()).collect();
    let requests = ask(1 << 20).repeat(60);
    for stream in &mut streams {
        stand.send(stream, &requests);
    }
    stand.settle();
    let each = UNREAD + (1 << 20) + 2 * BLOCK + requests.len();
    assert!(stand.most <= streams.len() * each, "{} bytes waited", stand.most);
    assert!(stand.serves());
    // Who reads after all is answered from where it stood.
    let (values, closed) = stand.read(&mut streams[0]);
    assert_eq!((values.len(), closed), (60, false));
}

#[test]
fn ten_thousand_connections_leave_room_for_the_next_one() {
    const CONNECTIONS: usize = 10_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    // Both ends are in this process.
    let room = limit
        .maximum
        .map_or(u64::MAX, |most| most.saturating_sub(2 * CLIENTS as u64));
    let connections = CONNECTIONS.min(usize::try_from(room).unwrap());
    let mut stand = Stand::new();
    let mut asking = stand.connect();
    stand.send(&mut asking, &ask(4));
    stand.settle();
    let asked = stand.last.unwrap();
    // Its next request has its turn, and its answer takes its time.
    stand.send(&mut asking, &ask(5));
    let mut ready = Vec::new();
    stand.poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
    for ready in ready {
        stand.control.ready(&stand.poller, ready);
    }
    assert_eq!(stand.control.take().map(|(id, _)| id), Some(asked));
    let mut streams = Vec::new();
    for number in 0..connections {
        let mut stream = stand.connect();
        // Each has begun to say something.
        let _ = stream.write(b"\x80\x05");
        streams.push(stream);
        if number % 50 == 0 {
            stand.settle();
            assert!(stand.control.clients.len() <= CLIENTS);
        }
    }
    stand.settle();
    assert_eq!(stand.control.clients.len(), CLIENTS);
    assert!(stand.most <= 4 * CLIENTS, "{} bytes waited", stand.most);
    assert!(stand.serves());
    stand
        .control
        .answer(&stand.poller, asked, Answer::Reply(Ok("late".into())));
    let (values, _) = stand.read(&mut asking);
    assert_eq!(
        values,
        [Value::pair(0, "xxxx"), Value::pair(0, "late")],
        "whose answer is under way stays"
    );
}

#[test]
fn who_listens_is_told_and_who_does_not_read_is_told_no_more() {
    let mut stand = Stand::new();
    let mut streams: Vec<_> = (0..3).map(|_| stand.connect()).collect();
    for (at, stream) in streams.iter_mut().enumerate() {
        assert!(stand.send(stream, &ask(1)));
        stand.settle();
        let jail = (at == 1).then(|| "other".to_owned());
        assert!(stand.control.listen(stand.last.unwrap(), jail));
        assert_eq!(stand.read(stream).0.len(), 1);
    }
    let [attentive, elsewhere, slow] = streams.as_mut_slice() else {
        panic!("there are three");
    };
    let text = "x".repeat(1000);
    let event = |number: i64| Value::list([Value::Int(number), text.as_str().into()]);
    let mut told = 0;
    for number in 0..5000 {
        stand.control.tell(&stand.poller, "jail", &event(number));
        if number % 100 == 0 {
            told += stand.read(attentive).0.len();
        }
    }
    told += stand.read(attentive).0.len();
    assert_eq!(told, 5000, "who reads is told everything");
    assert_eq!(stand.read(elsewhere), (vec![], false), "it is about another jail");
    assert!(
        stand.most <= LISTENER_UNREAD + 8192,
        "{} bytes waited",
        stand.most
    );
    let (values, closed) = stand.read(slow);
    assert!(closed, "it is told no more");
    let (last, before) = values.split_last().unwrap();
    assert!(
        before
            .iter()
            .zip(0..)
            .all(|(found, number)| *found == event(number))
    );
    assert_eq!(last.get("event"), Some(&"end".into()), "{last:?}");
    assert_eq!(stand.log.lock().unwrap().len(), 1);
    assert!(stand.serves());
}

#[test]
fn there_are_so_many_listeners_and_no_more() {
    let mut stand = Stand::new();
    let mut streams = Vec::new();
    for number in 0..=LISTENERS {
        let mut stream = stand.connect();
        stand.send(&mut stream, &ask(1));
        stand.settle();
        let had_room = stand.control.listen(stand.last.unwrap(), None);
        assert_eq!(had_room, number < LISTENERS, "{number}");
        streams.push(stream);
    }
    streams.remove(0);
    stand.settle();
    let last = stand.last.unwrap();
    assert!(stand.control.listen(last, None), "one has gone");
    assert!(stand.control.listen(last, None), "twice is once");
    drop(streams);
    stand.settle();
    assert!(!stand.control.has_listeners());
    assert_eq!(stand.control.buffered(), 0);
}
