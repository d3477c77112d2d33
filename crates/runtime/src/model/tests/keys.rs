//! The key of a model, from the store of secrets to the wire.

use std::path::Path;

use cascade_ledger::{SecretValue, TenantId};
use cascade_policy::credential::Declaration;
use cascade_policy::facts::{Authentication, Principal, PrincipalKind};

use super::super::*;
use super::kit::*;
use crate::birth::{self, Wishes};
use crate::credentials::{self, ModelKeyError};
use crate::facts::Asker;
use crate::ssh::{PublicIdentity, Source, sign_with};

const VALUE: &str = "sk-from-the-store-0123456789";

/// A ledger whose secret `KEY` is for these endpoints and this group, and who asks.
fn ledger(dir: &Path, declaration: &Declaration) -> (cascade_ledger::Ledger, Principal) {
    let file = dir.join("id");
    let public = crate::ssh::generate(&file, "test").unwrap();
    let wishes = Wishes { ssh_key: Some(dir.join("id.pub")), ..Wishes::default() };
    let tenant = TenantId::parse("default").unwrap();
    let ledger = birth::create(&dir.join("home"), &tenant, &wishes).unwrap().ledger;
    let asker = Asker::find(&ledger, &[], None).unwrap();
    let value = SecretValue::new(VALUE.as_bytes().to_vec()).unwrap();
    let identity = PublicIdentity { key: public.parse().unwrap(), source: Source::File(file) };
    let set = credentials::set(&ledger, &asker, declaration, &value, &mut |_, namespace, payload| {
        sign_with(&identity, namespace, payload, &mut |_| None)
    });
    set.unwrap();
    let principal = Principal {
        id: asker.principal_id(),
        kind: PrincipalKind::Person,
        authentication: Authentication::OsUser,
        alive: true,
        admin: true,
        groups: Vec::new(),
    };
    (ledger, principal)
}

fn for_models(endpoints: &[&str], groups: &[&str]) -> Declaration {
    let endpoints = endpoints.iter().map(|text| Endpoint::parse(text).unwrap()).collect();
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Declaration::for_models("KEY", endpoints, Vec::new(), groups).unwrap()
}

#[test]
fn a_key_from_the_store_reaches_its_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let wire = Wire::new(vec![good("Because.")]);
    let endpoint = format!("http://{}", wire.address);
    let (ledger, principal) = ledger(dir.path(), &for_models(&[&endpoint, "https://api.example.com"], &[]));
    let model = wire.model("openai_compatible", "secret = \"KEY\"\n");
    let key = credentials::model_key(&ledger, &principal, &model).unwrap();
    let prompt = Prompt { user: "Why?".to_owned(), ..Prompt::default() };
    call(&model, key.as_ref(), &prompt, &CallLimits::default(), &mut |_| {}).unwrap();
    assert!(wire.asked()[0].contains(&format!("authorization: Bearer {VALUE}\r\n")), "{}", wire.asked()[0]);
    let none = credentials::model_key(&ledger, &principal, &wire.model("ollama", "")).unwrap();
    assert!(none.is_none());
}

#[test]
fn a_key_is_handed_out_for_its_endpoints_to_those_who_may_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let wire = Wire::new(vec![good("")]);
    let (ledger, principal) = ledger(dir.path(), &for_models(&["https://api.example.com"], &["ml"]));
    let fault =
        |model: &Model, principal: &Principal| credentials::model_key(&ledger, principal, model).unwrap_err();
    let here = wire.model("openai_compatible", "secret = \"KEY\"\n");
    assert!(matches!(fault(&here, &principal), ModelKeyError::Elsewhere { .. }));
    let unknown = wire.model("openai_compatible", "secret = \"OTHER\"\n");
    assert!(matches!(fault(&unknown, &principal), ModelKeyError::Unknown(_)));
    let there = Model { endpoint: Endpoint::parse("https://api.example.com").unwrap(), ..here };
    assert!(matches!(fault(&there, &principal), ModelKeyError::Others(_)));
    let member = Principal { groups: vec!["ml".to_owned()], ..principal };
    assert!(credentials::model_key(&ledger, &member, &there).unwrap().is_some());
}
