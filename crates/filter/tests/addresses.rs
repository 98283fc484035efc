//! The worked examples of reading, printing and comparing addresses.

#![expect(clippy::indexing_slicing, reason = "a wrong example may panic")]

use serde_json::Value;
use stockade_filter::{Address, Family, Id};

fn examples() -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/examples/matching/15-addresses.json"
    );
    let text = std::fs::read_to_string(path).expect("the examples are in the repository");
    let file: Value = serde_json::from_str(&text).expect("the examples are JSON");
    file["examples"].as_array().expect("a list").clone()
}

fn rows(kind: &str) -> Vec<Value> {
    examples()
        .into_iter()
        .filter(|example| example["kind"] == kind)
        .flat_map(|example| example["rows"].as_array().cloned().unwrap_or_default())
        .collect()
}

#[test]
fn an_address_has_one_canonical_text() {
    let rows = rows("ip");
    assert!(!rows.is_empty());
    for row in rows {
        let input = row["input"].as_str().unwrap();
        let id = Id::parse(input);
        let address = id.address();
        assert_eq!(id.to_string(), row["text"], "text of {input:?}");
        assert_eq!(
            address.map(|address| address.family().to_string()).as_deref(),
            row["family"].as_str(),
            "family of {input:?}"
        );
        assert_eq!(
            address.map(|address| u64::from(address.prefix())),
            row["prefix"].as_u64(),
            "prefix of {input:?}"
        );
        assert_eq!(
            address.is_some_and(Address::is_single),
            row["single"].as_bool().unwrap(),
            "{input:?} is a single address"
        );
    }
}

#[test]
fn a_mask_with_a_hole_is_refused() {
    let inputs: Vec<Value> = examples()
        .into_iter()
        .filter(|example| example["kind"] == "ip_error")
        .flat_map(|example| example["inputs"].as_array().cloned().unwrap_or_default())
        .collect();
    assert!(!inputs.is_empty());
    for input in inputs {
        let input = input.as_str().unwrap();
        assert!(Address::parse(input).is_err(), "{input:?}");
        assert_eq!(Id::parse(input), Id::Text(input.to_owned()), "{input:?}");
    }
}

#[test]
fn odd_networks_read_as_the_reference_reads_them() {
    for (input, text, is_address) in [
        ("192.0.2.1/999.1.1.1", "0.0.0.0", true),
        ("192.0.2.1/33", "192.0.2.1", true),
        ("192.0.2.1/99999999999999999999", "192.0.2.1", true),
        ("192.0.2.1/0.0.0.0", "0.0.0.0", true),
        ("192.0.2.1/::", "0.0.0.0", true),
        ("192.0.2.1/255.255.255.0.0", "192.0.2.1/255.255.255.0.0", false),
        ("::2:3:4:5:6:7:8/64", "::2:3:4:5:6:7:8/64", false),
        ("1::3:4:5:6:7:8/64", "1:0:3:4::/64", true),
        ("[]", "[]", false),
        ("[foo", "[foo", false),
        ("[foo]", "foo", false),
    ] {
        let id = Id::parse(input);
        assert_eq!(id.to_string(), text, "text of {input:?}");
        assert_eq!(id.address().is_some(), is_address, "{input:?} is an address");
    }
}

#[test]
fn a_network_contains_what_begins_where_it_does() {
    let rows = rows("ip_in_net");
    assert!(!rows.is_empty());
    for row in rows {
        let (address, net) = (row["address"].as_str().unwrap(), row["net"].as_str().unwrap());
        let inside = match (Id::parse(address), Id::parse(net)) {
            (Id::Address(address), Id::Address(net)) => net.contains(&address),
            (Id::Address(_) | Id::Text(_) | Id::Tuple(_), _) => false,
        };
        assert_eq!(inside, row["inside"].as_bool().unwrap(), "{address} in {net}");
    }
}

#[test]
fn an_address_reverses_for_a_lookup() {
    let rows = rows("ip_rev");
    assert!(!rows.is_empty());
    for row in rows {
        let address = row["address"].as_str().unwrap();
        let reversed = Id::parse(address)
            .address()
            .map(Address::reversed)
            .unwrap_or_default();
        assert_eq!(reversed, row["rev"], "{address}");
    }
}

#[test]
fn an_address_is_read_as_one_family_only() {
    for (family, text, expected) in [
        (Family::Inet4, "192.0.2.1", Some("192.0.2.1")),
        (Family::Inet4, "2001:db8::1", None),
        (Family::Inet6, "2001:DB8::1", Some("2001:db8::1")),
        (Family::Inet6, "::ffff:192.0.2.1", Some("192.0.2.1")),
        (Family::Inet6, "192.0.2.1", None),
        (Family::Inet4, "[192.0.2.1]", None),
    ] {
        let found = Address::parse_as(family, text).map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected, "{text} as {family}");
    }
}
