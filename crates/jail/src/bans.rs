//! The ban list of a jail.
//!
//! In: tickets to ban and ids to unban. Out: what is over, in the order in which it ended.
//! Invariant: every ban is in the list once, and in exactly one of the two orders of ends unless it has none.

use std::collections::BTreeSet;

use stockade_datetime::Timestamp;
use stockade_filter::Id;

use crate::evidence::{Evidence, shed};
use crate::ordered::{Entry, Ordered, Place};
use crate::{BanTime, Ticket};

/// How many bans a jail holds; the one that would end first makes room.
pub const MAX_BANS: usize = 1 << 20;

/// The ban list of a jail.
#[derive(Debug)]
pub(crate) struct Bans {
    list: Ordered<Banned>,
    /// Bans with a ban time of their own, by their end.
    own: BTreeSet<(Timestamp, Place)>,
    /// Bans that follow the jail's ban time, by their begin: the ban time may change under them.
    following: BTreeSet<(Timestamp, Place)>,
    evidence_bytes: usize,
    total: u64,
    displaced: u64,
    evidence_dropped: u64,
    /// Room to pack evidence in.
    room: Vec<u8>,
}

#[derive(Debug)]
struct Banned {
    id: Id,
    time: Timestamp,
    bantime: Option<BanTime>,
    bancount: u32,
    failures: u32,
    retry: u32,
    epoch: u32,
    restored: bool,
    evidence: Evidence,
}

impl Entry for Banned {
    fn id(&self) -> &Id {
        &self.id
    }
}

/// One ban of the list, as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban<'a> {
    /// What is banned.
    pub id: &'a Id,
    /// When the ban began.
    pub time: Timestamp,
    /// How long it lasts, by its own ban time or by the jail's.
    pub bantime: BanTime,
    /// Its end; [`Timestamp::MAX`] where it has none.
    pub end: Timestamp,
    /// How often the id has been banned.
    pub bancount: u32,
    /// Whether it was taken over from the database.
    pub restored: bool,
}

/// What came of adding a ticket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is in the list; where another had to make room, here it is.
    New(Box<Ticket>, Option<Box<Ticket>>),
    /// It would have been over already.
    Expired,
    /// The id is banned.
    Present {
        /// How far the failure is behind the begin of the ban, in microseconds.
        behind_micros: i64,
        /// The epoch that the ban belongs to.
        epoch: u32,
        /// The new end, where it moved.
        end: Option<Timestamp>,
    },
}

impl Bans {
    pub(crate) fn new() -> Self {
        Self {
            list: Ordered::new(),
            own: BTreeSet::new(),
            following: BTreeSet::new(),
            evidence_bytes: 0,
            total: 0,
            displaced: 0,
            evidence_dropped: 0,
            room: Vec::new(),
        }
    }

    /// Adds `ticket`, unless it would be over or its id is banned; a ban that is there may come to last longer.
    pub(crate) fn add(&mut self, now: Timestamp, mut ticket: Ticket, of_jail: BanTime, epoch: u32) -> Added {
        let bantime = ticket.bantime_in(of_jail);
        let end = bantime.end(ticket.time);
        if end < now {
            return Added::Expired;
        }
        if let Some(place) = self.list.find(&ticket.id) {
            let banned = self.list.at(place);
            let (time, epoch) = (banned.time, banned.epoch);
            let behind_micros = ticket.time.micros_since(time);
            let later = end > banned.end(of_jail);
            if later {
                let longer = match bantime {
                    BanTime::Forever => BanTime::Forever,
                    BanTime::Micros(micros) => BanTime::Micros(micros.saturating_add(behind_micros.max(0))),
                };
                self.prolong(place, longer);
            }
            let end = later.then(|| self.list.at(place).end(of_jail));
            return Added::Present {
                behind_micros,
                epoch,
                end,
            };
        }
        let displaced = (self.list.len() >= MAX_BANS)
            .then(|| self.displace(of_jail))
            .flatten();
        self.total += 1;
        ticket.bancount = ticket.bancount.saturating_add(1);
        self.insert(&ticket, epoch);
        Added::New(Box::new(ticket), displaced.map(Box::new))
    }

    /// Has bans go without their lines, those with many bytes first and then the oldest, until so many bytes are free;
    /// how many there were.
    pub(crate) fn shed(&mut self, bytes: usize) -> usize {
        let sizes = (self.evidence_bytes, bytes);
        let (freed, count) = shed(&mut self.list, |one| &mut one.evidence, &mut self.room, sizes);
        self.evidence_dropped += count;
        self.evidence_bytes -= freed;
        freed
    }

    /// Takes out the next ban whose end lies before `now`.
    pub(crate) fn take_expired(&mut self, now: Timestamp, of_jail: BanTime) -> Option<Ticket> {
        let (end, place) = self.next(of_jail)?;
        (now > end).then(|| self.take(place))
    }

    /// The end of the ban that ends next.
    pub(crate) fn next_end(&self, of_jail: BanTime) -> Option<Timestamp> {
        self.next(of_jail).map(|(end, _)| end)
    }

    /// Takes the ban of `id` out.
    pub(crate) fn remove(&mut self, id: &Id) -> Option<Ticket> {
        let place = self.list.find(id)?;
        Some(self.take(place))
    }

    /// Takes all bans out, in the order in which they were put in.
    pub(crate) fn take_all(&mut self) -> Vec<Ticket> {
        self.own.clear();
        self.following.clear();
        self.evidence_bytes = 0;
        self.list.take_all().iter().map(Banned::ticket).collect()
    }

    /// Makes the ban of `id` belong to `epoch`.
    pub(crate) fn set_epoch(&mut self, id: &Id, epoch: u32) {
        if let Some(place) = self.list.find(id) {
            self.list.at_mut(place).epoch = epoch;
        }
    }

    /// The ticket of `id`, where it is banned.
    pub(crate) fn ticket(&self, id: &Id) -> Option<Ticket> {
        let place = self.list.find(id)?;
        Some(self.list.at(place).ticket())
    }

    /// Gives the ban of `id` a ban time of its own and a new count.
    pub(crate) fn set_bantime(&mut self, id: &Id, bantime: BanTime, bancount: u32) -> bool {
        let Some(place) = self.list.find(id) else {
            return false;
        };
        self.prolong(place, bantime);
        self.list.at_mut(place).bancount = bancount;
        true
    }

    /// Whether `id` is banned.
    pub(crate) fn contains(&self, id: &Id) -> bool {
        self.list.find(id).is_some()
    }

    /// How many ids are banned.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// How many bans were ever added.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// How many bans had to make room, and how many went without their lines.
    pub(crate) const fn lost(&self) -> (u64, u64) {
        (self.displaced, self.evidence_dropped)
    }

    /// How many bytes the lines take.
    pub(crate) const fn evidence_bytes(&self) -> usize {
        self.evidence_bytes
    }

    /// All bans in the order in which they were put in.
    pub(crate) fn iter(&self, of_jail: BanTime) -> impl Iterator<Item = Ban<'_>> {
        self.list.iter().map(move |(_, banned)| banned.ban(of_jail))
    }

    /// The ban of `id`.
    pub(crate) fn get(&self, id: &Id, of_jail: BanTime) -> Option<Ban<'_>> {
        let place = self.list.find(id)?;
        Some(self.list.at(place).ban(of_jail))
    }

    fn insert(&mut self, ticket: &Ticket, epoch: u32) {
        let evidence = Evidence::packed(ticket, &mut self.room);
        self.evidence_bytes += evidence.weight();
        let place = self.list.push(Banned {
            id: ticket.id.clone(),
            time: ticket.time,
            bantime: ticket.bantime,
            bancount: ticket.bancount,
            failures: ticket.failures,
            retry: ticket.retry,
            epoch,
            restored: ticket.restored,
            evidence,
        });
        self.order(place);
    }

    fn prolong(&mut self, place: Place, bantime: BanTime) {
        self.disorder(place);
        self.list.at_mut(place).bantime = Some(bantime);
        self.order(place);
    }

    fn take(&mut self, place: Place) -> Ticket {
        self.disorder(place);
        let banned = self.list.remove(place);
        self.evidence_bytes -= banned.evidence.weight();
        banned.ticket()
    }

    /// Takes out the ban that would end first, or the oldest where none ends.
    fn displace(&mut self, of_jail: BanTime) -> Option<Ticket> {
        let place = self.next(of_jail).map(|(_, place)| place).or(self.list.first())?;
        self.displaced += 1;
        Some(self.take(place))
    }

    fn next(&self, of_jail: BanTime) -> Option<(Timestamp, Place)> {
        let own = self.own.first().copied();
        let following = self
            .following
            .first()
            .copied()
            .filter(|_| of_jail != BanTime::Forever);
        let following = following.map(|(time, place)| (of_jail.end(time), place));
        [own, following].into_iter().flatten().min()
    }

    fn order(&mut self, place: Place) {
        let banned = self.list.at(place);
        match banned.bantime {
            None => self.following.insert((banned.time, place)),
            Some(BanTime::Forever) => false,
            Some(bantime @ BanTime::Micros(_)) => self.own.insert((bantime.end(banned.time), place)),
        };
    }

    fn disorder(&mut self, place: Place) {
        let banned = self.list.at(place);
        match banned.bantime {
            None => self.following.remove(&(banned.time, place)),
            Some(BanTime::Forever) => false,
            Some(bantime @ BanTime::Micros(_)) => self.own.remove(&(bantime.end(banned.time), place)),
        };
    }
}

impl Banned {
    fn ban(&self, of_jail: BanTime) -> Ban<'_> {
        Ban {
            id: &self.id,
            time: self.time,
            bantime: self.bantime.unwrap_or(of_jail),
            end: self.end(of_jail),
            bancount: self.bancount,
            restored: self.restored,
        }
    }

    fn end(&self, of_jail: BanTime) -> Timestamp {
        self.bantime.unwrap_or(of_jail).end(self.time)
    }

    fn ticket(&self) -> Ticket {
        let mut ticket = Ticket {
            bantime: self.bantime,
            bancount: self.bancount,
            restored: self.restored,
            failures: self.failures,
            retry: self.retry,
            ..Ticket::new(self.id.clone(), self.time)
        };
        self.evidence.unpack(&mut ticket);
        ticket
    }
}
