//! A real model behind a real server, on this machine.

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use xtask::local_model::{LocalModel, Weights};

use super::super::*;

/// One server for all tests; it ends with this process.
static SERVER: LazyLock<LocalModel> = LazyLock::new(|| LocalModel::start(Weights::Small).unwrap());

/// One question at a time: what is measured here is not how long others wait.
static TURN: Mutex<()> = Mutex::new(());

fn model(lines: &str) -> Model {
    let text = format!("{}{lines}", SERVER.models_toml());
    Models::parse(&text).unwrap().pick(None).unwrap().clone()
}

fn limits() -> CallLimits {
    let wait = Duration::from_secs(300);
    CallLimits { deadline: wait, first_byte: wait, between: wait, ..CallLimits::default() }
}

fn question(text: &str) -> Prompt {
    Prompt { system: "You answer in one sentence.".to_owned(), user: text.to_owned(), ..Prompt::default() }
}

fn ask(model: &Model, prompt: &Prompt) -> (Reply, Vec<String>) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut pieces = Vec::new();
    let reply = call(model, None, prompt, &limits(), &mut |text| pieces.push(text.to_owned())).unwrap();
    (reply, pieces)
}

#[test]
fn an_answer_comes_in_pieces_and_its_tokens_are_counted() {
    let model = model("timeout_s = 300\nmax_output_tokens = 12\nprice_in = 1000000\nprice_out = 2000000\n");
    let (reply, pieces) = ask(&model, &question("What is the capital of France?"));
    assert!(pieces.len() > 3, "{pieces:?}");
    assert_eq!(pieces.concat(), reply.text);
    assert!(reply.tokens_counted && reply.tokens_out > 3 && reply.tokens_in > 10, "{reply:?}");
    assert_eq!(reply.cost_microusd, reply.tokens_in + 2 * reply.tokens_out);
    assert_eq!((reply.attempts, reply.model.as_str()), (1, Weights::Small.name()));
    assert!(reply.duration_us > 0);
    let bound = estimate(&model, &question("What is the capital of France?"));
    assert!(reply.tokens_in <= bound.tokens_in && reply.cost_microusd <= bound.cost_microusd, "{bound:?}");
}

#[test]
fn a_cut_answer_says_so_and_costs_no_more_than_was_allowed() {
    let model = model("timeout_s = 300\nmax_output_tokens = 3\n");
    let (reply, _) = ask(&model, &question("Tell me a long story."));
    assert_eq!((reply.finish, reply.tokens_out), (Finish::Length, 3));
}

#[test]
fn one_seed_gives_one_answer_and_another_gives_another() {
    let seeded =
        |seed| model(&format!("timeout_s = 300\nmax_output_tokens = 24\ntemperature = 1.5\nseed = {seed}\n"));
    let told = |seed| ask(&seeded(seed), &question("Invent a name for a ship.")).0.text;
    let first = told(7);
    assert_eq!(first, told(7));
    assert!((8..12).any(|seed| told(seed) != first));
}

#[test]
fn the_same_model_answers_in_the_words_of_another_provider() {
    let mut model = model("timeout_s = 300\nmax_output_tokens = 5\n");
    model.provider = Provider::Anthropic;
    let (reply, pieces) = ask(&model, &question("Tell me a long story."));
    assert_eq!((reply.finish, reply.tokens_out, reply.tokens_counted), (Finish::Length, 5, true));
    assert_eq!(pieces.concat(), reply.text);
}

#[test]
fn a_call_is_cancelled_while_it_answers() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let model = model("timeout_s = 300\nmax_output_tokens = 3000\ntemperature = 1.0\n");
    let limits = limits();
    let mut pieces = 0;
    let prompt = question("Write down the whole story of the world, with every detail.");
    let done = call(&model, None, &prompt, &limits, &mut |_| {
        pieces += 1;
        limits.cancellation.cancel();
    });
    let error = done.unwrap_err();
    assert_eq!((error.fault, pieces), (ModelFault::Cancelled, 1));
    // What the provider took and gave is accounted for, by estimate.
    assert!(error.spent.tokens_in > 0 && error.spent.tokens_out > 0 && !error.spent.tokens_counted);
}
