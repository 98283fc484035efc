//! What the stock nftables actions look like: the lengths of their texts, the options between, and a hash.
//!
//! Made by `xtask/fingerprints.py`, which says how.

use crate::native::{Command, Fingerprint, Kind};

pub(crate) const FINGERPRINTS: &[Fingerprint] = &[
    // 1.0.2
    Fingerprint {
        kind: Kind::Multiport,
        commands: &[
            Command {
                name: "actionban",
                layout: "0 nftables 13 table_family 1 table 22",
                hash: 0x13d4511cadb1d5b5f4913b979f10a18f,
            },
            Command {
                name: "actioncheck",
                layout: "0 nftables 12 table_family 1 table 1 chain 29",
                hash: 0xfbee5e698c21dd77c347aa22f128121b,
            },
            Command {
                name: "actionflush",
                layout: "2 nftables 11 table_family 1 table 35 nftables 15 table_family 1 table 1 chain 78 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 12 nftables 9 table_family 1 table 58 protocol 23 nftables 10 table_family 1 table 1 chain 25 port 52 blocktype 7",
                hash: 0x7db61166061753aed677bb181c02aade,
            },
            Command {
                name: "actionstart",
                layout: "0 nftables 11 table_family 1 table 1 nftables 14 table_family 1 table 1 chain 9 chain_type 6 chain_hook 10 chain_priority 7 nftables 9 table_family 1 table 58 protocol 23 nftables 10 table_family 1 table 1 chain 25 port 52 blocktype 5",
                hash: 0x2dd734aecee366154b6bca1d1eb2ee0e,
            },
            Command {
                name: "actionstop",
                layout: "2 nftables 15 table_family 1 table 1 chain 78 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 14 nftables 12 table_family 1 table 33 nftables 14 table_family 1 table 2",
                hash: 0x4fac206f8499bcc5bf61d80316a6f661,
            },
            Command {
                name: "actionunban",
                layout: "0 nftables 16 table_family 1 table 22",
                hash: 0x247b4de5046e385a046bc5bf9b0614bb,
            },
        ],
    },
    // 1.0.2
    Fingerprint {
        kind: Kind::Allports,
        commands: &[
            Command {
                name: "actionban",
                layout: "0 nftables 13 table_family 1 table 22",
                hash: 0x13d4511cadb1d5b5f4913b979f10a18f,
            },
            Command {
                name: "actioncheck",
                layout: "0 nftables 12 table_family 1 table 1 chain 29",
                hash: 0xfbee5e698c21dd77c347aa22f128121b,
            },
            Command {
                name: "actionflush",
                layout: "2 nftables 11 table_family 1 table 35 nftables 15 table_family 1 table 1 chain 78 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 12 nftables 9 table_family 1 table 38 nftables 10 table_family 1 table 1 chain 17 protocol 36 blocktype 3",
                hash: 0x7f2a72d1e73775ea9e1261250ad0547a,
            },
            Command {
                name: "actionstart",
                layout: "0 nftables 11 table_family 1 table 1 nftables 14 table_family 1 table 1 chain 9 chain_type 6 chain_hook 10 chain_priority 7 nftables 9 table_family 1 table 38 nftables 10 table_family 1 table 1 chain 17 protocol 36 blocktype 1",
                hash: 0xef328adc09f04da3f28d13e5d9a2095e,
            },
            Command {
                name: "actionstop",
                layout: "2 nftables 15 table_family 1 table 1 chain 78 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 14 nftables 12 table_family 1 table 33 nftables 14 table_family 1 table 2",
                hash: 0x4fac206f8499bcc5bf61d80316a6f661,
            },
            Command {
                name: "actionunban",
                layout: "0 nftables 16 table_family 1 table 22",
                hash: 0x247b4de5046e385a046bc5bf9b0614bb,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Multiport,
        commands: &[
            Command {
                name: "actionban",
                layout: "0 nftables 13 table_family 1 table 22",
                hash: 0x13d4511cadb1d5b5f4913b979f10a18f,
            },
            Command {
                name: "actioncheck",
                layout: "0 nftables 12 table_family 1 table 1 chain 29",
                hash: 0xfbee5e698c21dd77c347aa22f128121b,
            },
            Command {
                name: "actionflush",
                layout: "2 nftables 11 table_family 1 table 35 nftables 15 table_family 1 table 1 chain 92 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 12 nftables 9 table_family 1 table 33 addr_options 10 protocol 40 protocol 23 nftables 10 table_family 1 table 1 chain 25 port 52 blocktype 11 nftables 10 table_family 1 table 1 chain 21 port 52 blocktype 5",
                hash: 0xa912c7db6597fdf1f10528f07c5e0a12,
            },
            Command {
                name: "actionstart",
                layout: "0 nftables 11 table_family 1 table 1 nftables 14 table_family 1 table 1 chain 9 chain_type 6 chain_hook 10 chain_priority 7 nftables 9 table_family 1 table 33 addr_options 10 protocol 40 protocol 23 nftables 10 table_family 1 table 1 chain 25 port 52 blocktype 11 nftables 10 table_family 1 table 1 chain 21 port 52 blocktype 3",
                hash: 0xf4a6171e1ce7faab68f169bb75860a6a,
            },
            Command {
                name: "actionstop",
                layout: "2 nftables 15 table_family 1 table 1 chain 92 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 14 nftables 12 table_family 1 table 33 nftables 14 table_family 1 table 2",
                hash: 0x8e95405c6eef72585b1e80afb850de9e,
            },
            Command {
                name: "actionunban",
                layout: "0 nftables 16 table_family 1 table 22",
                hash: 0x247b4de5046e385a046bc5bf9b0614bb,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Allports,
        commands: &[
            Command {
                name: "actionban",
                layout: "0 nftables 13 table_family 1 table 22",
                hash: 0x13d4511cadb1d5b5f4913b979f10a18f,
            },
            Command {
                name: "actioncheck",
                layout: "0 nftables 12 table_family 1 table 1 chain 29",
                hash: 0xfbee5e698c21dd77c347aa22f128121b,
            },
            Command {
                name: "actionflush",
                layout: "2 nftables 11 table_family 1 table 35 nftables 15 table_family 1 table 1 chain 92 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 12 nftables 9 table_family 1 table 33 addr_options 10 protocol 20 nftables 10 table_family 1 table 1 chain 17 protocol 36 blocktype 7 nftables 10 table_family 1 table 1 chain 34 blocktype 5",
                hash: 0xd077257604400b64a19694b0c4f686f8,
            },
            Command {
                name: "actionstart",
                layout: "0 nftables 11 table_family 1 table 1 nftables 14 table_family 1 table 1 chain 9 chain_type 6 chain_hook 10 chain_priority 7 nftables 9 table_family 1 table 33 addr_options 10 protocol 20 nftables 10 table_family 1 table 1 chain 17 protocol 36 blocktype 7 nftables 10 table_family 1 table 1 chain 34 blocktype 3",
                hash: 0x988f7b7be87a5b332f84d8cce563c118,
            },
            Command {
                name: "actionstop",
                layout: "2 nftables 15 table_family 1 table 1 chain 92 nftables 13 table_family 1 table 1 chain 12 nftables 12 table_family 1 table 14 nftables 12 table_family 1 table 33 nftables 14 table_family 1 table 2",
                hash: 0x8e95405c6eef72585b1e80afb850de9e,
            },
            Command {
                name: "actionunban",
                layout: "0 nftables 16 table_family 1 table 22",
                hash: 0x247b4de5046e385a046bc5bf9b0614bb,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Multiport,
        commands: &[
            Command {
                name: "actionban",
                layout: "0 nftables 13 table_family 1 table 20",
                hash: 0x67726f90d4bc363fea1e5b88442caf9b,
            },
            Command {
                name: "actioncheck",
                layout: "0 nftables 12 table_family 1 table 1 chain 35",
                hash: 0x671c585787efcb3f5cff9afb9b91430b,
            },
            Command {
                name: "actionflush",
                layout: "0 nftables 11 table_family 1 table 20 nftables 15 table_family 1 table 1 chain 91 nftables 13 table_family 1 table 1 chain 24 nftables 12 table_family 1 table 19 nftables 9 table_family 1 table 32 addr_options 17 port 37 protocol 38 nftables 10 table_family 1 table 1 chain 61 blocktype 5",
                hash: 0x74886d23d4b6fdfb1a5fb5ac5cb599db,
            },
            Command {
                name: "actionstart",
                layout: "7 nftables 11 table_family 1 table 1 nftables 14 table_family 1 table 1 chain 8 chain_type 6 chain_hook 10 chain_priority 5 nftables 9 table_family 1 table 32 addr_options 17 port 37 protocol 38 nftables 10 table_family 1 table 1 chain 61 blocktype 5",
                hash: 0xba5297d011e86f8899d48c064e751509,
            },
            Command {
                name: "actionstop",
                layout: "0 nftables 15 table_family 1 table 1 chain 91 nftables 13 table_family 1 table 1 chain 24 nftables 12 table_family 1 table 12 nftables 12 table_family 1 table 34 nftables 14 table_family 1 table 0",
                hash: 0x73d77d0831875cb116b2e0a319586c1b,
            },
            Command {
                name: "actionunban",
                layout: "0 nftables 16 table_family 1 table 20",
                hash: 0x7132072a59262128e46892ef4a6ad317,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Allports,
        commands: &[
            Command {
                name: "actionban",
                layout: "0 nftables 13 table_family 1 table 20",
                hash: 0x67726f90d4bc363fea1e5b88442caf9b,
            },
            Command {
                name: "actioncheck",
                layout: "0 nftables 12 table_family 1 table 1 chain 35",
                hash: 0x671c585787efcb3f5cff9afb9b91430b,
            },
            Command {
                name: "actionflush",
                layout: "0 nftables 11 table_family 1 table 20 nftables 15 table_family 1 table 1 chain 91 nftables 13 table_family 1 table 1 chain 24 nftables 12 table_family 1 table 19 nftables 9 table_family 1 table 32 addr_options 9 protocol 16 nftables 10 table_family 1 table 1 chain 33 blocktype 6 nftables 10 table_family 1 table 1 chain 16 protocol 35 blocktype 3",
                hash: 0xe1d81e5313c0a87241231c99ebdfd76f,
            },
            Command {
                name: "actionstart",
                layout: "7 nftables 11 table_family 1 table 1 nftables 14 table_family 1 table 1 chain 8 chain_type 6 chain_hook 10 chain_priority 5 nftables 9 table_family 1 table 32 addr_options 9 protocol 16 nftables 10 table_family 1 table 1 chain 33 blocktype 6 nftables 10 table_family 1 table 1 chain 16 protocol 35 blocktype 3",
                hash: 0x723427f63947e84eabc582951dbb439d,
            },
            Command {
                name: "actionstop",
                layout: "0 nftables 15 table_family 1 table 1 chain 91 nftables 13 table_family 1 table 1 chain 24 nftables 12 table_family 1 table 12 nftables 12 table_family 1 table 34 nftables 14 table_family 1 table 0",
                hash: 0x73d77d0831875cb116b2e0a319586c1b,
            },
            Command {
                name: "actionunban",
                layout: "0 nftables 16 table_family 1 table 20",
                hash: 0x7132072a59262128e46892ef4a6ad317,
            },
        ],
    },
];
