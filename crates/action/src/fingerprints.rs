//! What stock actions look like: the lengths of their texts, the options between, and a hash.
//!
//! Made by `xtask/fingerprints.py`, which says how.

use crate::native::{Command, Fingerprint, Jump, Kind};

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
    // 1.1.1
    Fingerprint {
        kind: Kind::Iptables(Jump::Oneport),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 25",
                hash: 0x94aeccb7cf4afc1ce395f5693cd74968,
            },
            Command {
                name: "actioncheck",
                layout: "21 chain 44 protocol 62 port 8 name 11",
                hash: 0x481d81ed9d09db017aa916bea212eb4f,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "20 name 4 returntype 43 name 28 name 4 returntype 25 chain 44 protocol 64 port 8 name 64 port 8 name 14",
                hash: 0xa5f3aedbd583572de800cb8690d41c7e,
            },
            Command {
                name: "actionstop",
                layout: "21 chain 44 protocol 62 port 8 name 30 name 19 name 0",
                hash: 0x006a1f21735eec7b7cf6b4119e7e4228,
            },
            Command {
                name: "actionunban",
                layout: "18 name 23",
                hash: 0xc3a8e82bfcd0b369c08f00988e477b6c,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Iptables(Jump::New),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 25",
                hash: 0x94aeccb7cf4afc1ce395f5693cd74968,
            },
            Command {
                name: "actioncheck",
                layout: "21 chain 44 protocol 86 port 8 name 11",
                hash: 0x87c9f7c78e29e832af6651114a49c88e,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "20 name 4 returntype 43 name 28 name 4 returntype 25 chain 44 protocol 88 port 8 name 88 port 8 name 14",
                hash: 0x0d06d5776080457b357293e87d17b81e,
            },
            Command {
                name: "actionstop",
                layout: "21 chain 44 protocol 86 port 8 name 30 name 19 name 0",
                hash: 0x20a36a12fffb6eecd4189e8043b63271,
            },
            Command {
                name: "actionunban",
                layout: "18 name 23",
                hash: 0xc3a8e82bfcd0b369c08f00988e477b6c,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Iptables(Jump::Multiport),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 25",
                hash: 0x94aeccb7cf4afc1ce395f5693cd74968,
            },
            Command {
                name: "actioncheck",
                layout: "21 chain 44 protocol 76 port 8 name 11",
                hash: 0x1bf1bb2b47a088a996c7e0cf942ae7be,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "20 name 4 returntype 43 name 28 name 4 returntype 25 chain 44 protocol 78 port 8 name 78 port 8 name 14",
                hash: 0x0cfdb73946387d3174c1bc600f1da13e,
            },
            Command {
                name: "actionstop",
                layout: "21 chain 44 protocol 76 port 8 name 30 name 19 name 0",
                hash: 0xa09a2f81625d77cb21808ca4b60dc029,
            },
            Command {
                name: "actionunban",
                layout: "18 name 23",
                hash: 0xc3a8e82bfcd0b369c08f00988e477b6c,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Iptables(Jump::Allports),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 25",
                hash: 0x94aeccb7cf4afc1ce395f5693cd74968,
            },
            Command {
                name: "actioncheck",
                layout: "21 chain 44 protocol 61 name 11",
                hash: 0x79116c7882103b9f9fcbfd8c7b7845fb,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "20 name 4 returntype 43 name 28 name 4 returntype 25 chain 44 protocol 63 name 63 name 14",
                hash: 0x238dbaf20317da67e4148d64eb8b4e96,
            },
            Command {
                name: "actionstop",
                layout: "21 chain 44 protocol 61 name 30 name 19 name 0",
                hash: 0xa5b1af9bf33240cf7a7e50ce13fc53d4,
            },
            Command {
                name: "actionunban",
                layout: "18 name 23",
                hash: 0xc3a8e82bfcd0b369c08f00988e477b6c,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Ipset(Jump::Oneport),
        commands: &[
            Command {
                name: "actionban",
                layout: "39 ipsettime 0",
                hash: 0x7597de9aab74de4e3fe03af51b7a9d85,
            },
            Command {
                name: "actioncheck",
                layout: "21 chain 44 protocol 62 port 58",
                hash: 0x4c0f4ce5fd0193df6f93943cc60497cc,
            },
            Command {
                name: "actionflush",
                layout: "20",
                hash: 0x2e5675e3509ef63f462fa80d8de856f5,
            },
            Command {
                name: "actionstart",
                layout: "45 default-ipsettime 9 maxelem 34 chain 44 protocol 64 port 111 port 61",
                hash: 0x986cff35707774bbcdfa8e6c0b1e3fa8,
            },
            Command {
                name: "actionstop",
                layout: "21 chain 44 protocol 62 port 154",
                hash: 0xcf3d85628d0dcc164c6e26ece61318f6,
            },
            Command {
                name: "actionunban",
                layout: "30",
                hash: 0x89a01dbd6e65cf2bd468fe2da909cb39,
            },
            Command {
                name: "timeout-bantime",
                layout: "60",
                hash: 0x0788db5097b3d388f4e3bd39a18a6ad0,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Ipset(Jump::Multiport),
        commands: &[
            Command {
                name: "actionban",
                layout: "39 ipsettime 0",
                hash: 0x7597de9aab74de4e3fe03af51b7a9d85,
            },
            Command {
                name: "actioncheck",
                layout: "21 chain 44 protocol 76 port 58",
                hash: 0xd3a4efe225eb9df77b1fa59b518b8ba1,
            },
            Command {
                name: "actionflush",
                layout: "20",
                hash: 0x2e5675e3509ef63f462fa80d8de856f5,
            },
            Command {
                name: "actionstart",
                layout: "45 default-ipsettime 9 maxelem 34 chain 44 protocol 78 port 125 port 61",
                hash: 0x93ac222de507520b57636d87a37c7a20,
            },
            Command {
                name: "actionstop",
                layout: "21 chain 44 protocol 76 port 154",
                hash: 0x63147c4dbfc9dd503262ebdd09b3163b,
            },
            Command {
                name: "actionunban",
                layout: "30",
                hash: 0x89a01dbd6e65cf2bd468fe2da909cb39,
            },
            Command {
                name: "timeout-bantime",
                layout: "60",
                hash: 0x0788db5097b3d388f4e3bd39a18a6ad0,
            },
        ],
    },
    // 1.1.1
    Fingerprint {
        kind: Kind::Ipset(Jump::Allports),
        commands: &[
            Command {
                name: "actionban",
                layout: "39 ipsettime 0",
                hash: 0x7597de9aab74de4e3fe03af51b7a9d85,
            },
            Command {
                name: "actioncheck",
                layout: "21 chain 44 protocol 111",
                hash: 0xeac2704cf49b7bd68a409ba5a360abd0,
            },
            Command {
                name: "actionflush",
                layout: "20",
                hash: 0x2e5675e3509ef63f462fa80d8de856f5,
            },
            Command {
                name: "actionstart",
                layout: "45 default-ipsettime 9 maxelem 34 chain 44 protocol 218",
                hash: 0x68a5ab0809aaa266b5307ee7bb8f90c4,
            },
            Command {
                name: "actionstop",
                layout: "21 chain 44 protocol 207",
                hash: 0xb87564dae6235896b13b3b92f42a6e92,
            },
            Command {
                name: "actionunban",
                layout: "30",
                hash: 0x89a01dbd6e65cf2bd468fe2da909cb39,
            },
            Command {
                name: "timeout-bantime",
                layout: "60",
                hash: 0x0788db5097b3d388f4e3bd39a18a6ad0,
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
    // ours
    Fingerprint {
        kind: Kind::Iptables(Jump::Oneport),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 14 blocktype 0",
                hash: 0xe91220fd60e5dfab84b657ccdb4af1bc,
            },
            Command {
                name: "actioncheck",
                layout: "30 chain 43 protocol 62 port 8 name 44",
                hash: 0x124d2b109cbd3e4eda4c96cef57ace9c,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "18 name 4 returntype 36 name 27 name 4 returntype 23 chain 43 protocol 62 port 8 name 60 port 8 name 12",
                hash: 0x1911bc8eeff603e43c85aa8f7b07b248,
            },
            Command {
                name: "actionstop",
                layout: "20 chain 43 protocol 62 port 8 name 31 name 19 name 0",
                hash: 0xa877302028457afc7f36ef7d22dadfb7,
            },
            Command {
                name: "actionunban",
                layout: "18 name 12 blocktype 0",
                hash: 0xa52d9795057c6b8879b27288bebf4888,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Iptables(Jump::New),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 14 blocktype 0",
                hash: 0xe91220fd60e5dfab84b657ccdb4af1bc,
            },
            Command {
                name: "actioncheck",
                layout: "30 chain 43 protocol 86 port 8 name 44",
                hash: 0xeb809e7085fe526384668ec1cc15efc3,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "18 name 4 returntype 36 name 27 name 4 returntype 23 chain 43 protocol 86 port 8 name 84 port 8 name 12",
                hash: 0x851d41508826fd66dada32040d24818c,
            },
            Command {
                name: "actionstop",
                layout: "20 chain 43 protocol 86 port 8 name 31 name 19 name 0",
                hash: 0x01a283aaffcbace9580a517a27697e80,
            },
            Command {
                name: "actionunban",
                layout: "18 name 12 blocktype 0",
                hash: 0xa52d9795057c6b8879b27288bebf4888,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Iptables(Jump::Multiport),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 14 blocktype 0",
                hash: 0xe91220fd60e5dfab84b657ccdb4af1bc,
            },
            Command {
                name: "actioncheck",
                layout: "30 chain 43 protocol 76 port 8 name 44",
                hash: 0x1d39a1d38b88c14025d46034adac763b,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "18 name 4 returntype 36 name 27 name 4 returntype 23 chain 43 protocol 76 port 8 name 74 port 8 name 12",
                hash: 0x498c132f4f76a9c65e7eac2f1d42b8bc,
            },
            Command {
                name: "actionstop",
                layout: "20 chain 43 protocol 76 port 8 name 31 name 19 name 0",
                hash: 0xe514addb201339615f4a80500ddfdae8,
            },
            Command {
                name: "actionunban",
                layout: "18 name 12 blocktype 0",
                hash: 0xa52d9795057c6b8879b27288bebf4888,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Iptables(Jump::Allports),
        commands: &[
            Command {
                name: "actionban",
                layout: "18 name 14 blocktype 0",
                hash: 0xe91220fd60e5dfab84b657ccdb4af1bc,
            },
            Command {
                name: "actioncheck",
                layout: "30 chain 43 protocol 61 name 44",
                hash: 0xb3fd5dc9c672207f22e75338ce3aa228,
            },
            Command {
                name: "actionflush",
                layout: "18 name 0",
                hash: 0x3e7c06441989f0be3c261fa2eb513fa5,
            },
            Command {
                name: "actionstart",
                layout: "18 name 4 returntype 36 name 27 name 4 returntype 23 chain 43 protocol 61 name 59 name 12",
                hash: 0xe535c43ec27b52358397bdc8910cfb20,
            },
            Command {
                name: "actionstop",
                layout: "20 chain 43 protocol 61 name 31 name 19 name 0",
                hash: 0x1d842d4573e0c2a67a81dee3bb8c68cb,
            },
            Command {
                name: "actionunban",
                layout: "18 name 12 blocktype 0",
                hash: 0xa52d9795057c6b8879b27288bebf4888,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Ipset(Jump::Oneport),
        commands: &[
            Command {
                name: "actionban",
                layout: "39 ipsettime 0",
                hash: 0x7597de9aab74de4e3fe03af51b7a9d85,
            },
            Command {
                name: "actioncheck",
                layout: "30 chain 43 protocol 62 port 36 blocktype 44",
                hash: 0xc2da9d439b8f724547b781dff93a640d,
            },
            Command {
                name: "actionflush",
                layout: "20",
                hash: 0x2e5675e3509ef63f462fa80d8de856f5,
            },
            Command {
                name: "actionstart",
                layout: "45 default-ipsettime 9 maxelem 34 chain 43 protocol 62 port 36 blocktype 60 port 36 blocktype 12",
                hash: 0x9ca6d9094c7e8b499ef85c5fd8dc21c8,
            },
            Command {
                name: "actionstop",
                layout: "20 chain 43 protocol 62 port 36 blocktype 108",
                hash: 0x5e0ceed0ae99f0aa2a93236e2130f51f,
            },
            Command {
                name: "actionunban",
                layout: "30",
                hash: 0x89a01dbd6e65cf2bd468fe2da909cb39,
            },
            Command {
                name: "timeout-bantime",
                layout: "57",
                hash: 0x5c60b8f53cf940a1544de7a25c51f308,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Ipset(Jump::Multiport),
        commands: &[
            Command {
                name: "actionban",
                layout: "39 ipsettime 0",
                hash: 0x7597de9aab74de4e3fe03af51b7a9d85,
            },
            Command {
                name: "actioncheck",
                layout: "30 chain 43 protocol 76 port 36 blocktype 44",
                hash: 0xfc344bc5fdb96c9d63905cd2c34d05de,
            },
            Command {
                name: "actionflush",
                layout: "20",
                hash: 0x2e5675e3509ef63f462fa80d8de856f5,
            },
            Command {
                name: "actionstart",
                layout: "45 default-ipsettime 9 maxelem 34 chain 43 protocol 76 port 36 blocktype 74 port 36 blocktype 12",
                hash: 0x8aae1eee462ecb241b42b5fe39989bc0,
            },
            Command {
                name: "actionstop",
                layout: "20 chain 43 protocol 76 port 36 blocktype 108",
                hash: 0x522028beb3ea37e04f56288e5b6fb3ec,
            },
            Command {
                name: "actionunban",
                layout: "30",
                hash: 0x89a01dbd6e65cf2bd468fe2da909cb39,
            },
            Command {
                name: "timeout-bantime",
                layout: "57",
                hash: 0x5c60b8f53cf940a1544de7a25c51f308,
            },
        ],
    },
    // ours
    Fingerprint {
        kind: Kind::Ipset(Jump::Allports),
        commands: &[
            Command {
                name: "actionban",
                layout: "39 ipsettime 0",
                hash: 0x7597de9aab74de4e3fe03af51b7a9d85,
            },
            Command {
                name: "actioncheck",
                layout: "30 chain 43 protocol 89 blocktype 44",
                hash: 0x94eee6d4d7911db82da66c537c885489,
            },
            Command {
                name: "actionflush",
                layout: "20",
                hash: 0x2e5675e3509ef63f462fa80d8de856f5,
            },
            Command {
                name: "actionstart",
                layout: "45 default-ipsettime 9 maxelem 34 chain 43 protocol 89 blocktype 87 blocktype 12",
                hash: 0x3744b16a260ba07fc8c33a46d817e9cc,
            },
            Command {
                name: "actionstop",
                layout: "20 chain 43 protocol 89 blocktype 108",
                hash: 0x78baaba815d79927c8e9c4427ef9ceab,
            },
            Command {
                name: "actionunban",
                layout: "30",
                hash: 0x89a01dbd6e65cf2bd468fe2da909cb39,
            },
            Command {
                name: "timeout-bantime",
                layout: "57",
                hash: 0x5c60b8f53cf940a1544de7a25c51f308,
            },
        ],
    },
];
