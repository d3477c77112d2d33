//! What people and agents of a small company run in a year: words with blanks, and how often.

use super::dice::Dice;

/// How many of a million actions are which command, and who runs it more.
pub(super) const COMMANDS: &[(u32, &str)] = &[
    (110_000, "git status"),
    (70_000, "git diff --stat {branch}"),
    (60_000, "git log --oneline -n {n}"),
    (52_000, "git add {file}"),
    (48_000, "git commit -m {words}"),
    (30_000, "git push origin {branch}"),
    (14_000, "git fetch --prune origin"),
    (9_000, "git rebase origin/main"),
    (4_000, "git reset --hard HEAD~{n}"),
    (1_500, "git push --force origin {branch}"),
    (90_000, "ls -la {dir}"),
    (70_000, "cat {file}"),
    (50_000, "grep -rn {word} {dir}"),
    (20_000, "sed -n {n}p {file}"),
    (18_000, "rm {file}"),
    (2_000, "rm -rf {dir}"),
    (40_000, "cargo test --workspace"),
    (25_000, "cargo build --release"),
    (16_000, "npm ci"),
    (14_000, "npm run build"),
    (2_500, "npm publish"),
    (12_000, "docker build -t {word}:{n} ."),
    (9_000, "docker push registry.example/{word}:{n}"),
    (40_000, "kubectl get pods -n {ns}"),
    (16_000, "kubectl logs {word}-{n} -n {ns}"),
    (9_000, "kubectl apply -f {file}"),
    (2_500, "kubectl delete pod {word}-{n} -n {ns}"),
    (300, "kubectl delete namespace {ns}"),
    (12_000, "terraform plan"),
    (3_500, "terraform apply -auto-approve"),
    (150, "terraform destroy -auto-approve"),
    (20_000, "aws s3 ls s3://{word}-{n}"),
    (6_000, "aws s3 cp {file} s3://{word}-{n}/"),
    (300, "aws s3 rm s3://{word}-{n} --recursive"),
    (16_000, "psql -d {word} -c {query}"),
    (16_000, "curl -sS https://{word}.example/api/{n}"),
    (10_000, "ssh {word}-{n} uptime"),
    (6_000, "make test"),
    (4_000, "systemctl status {word}"),
    (900, "systemctl restart {word}"),
    (3_000, "openssl x509 -in {file} -noout -enddate"),
];

const WORDS: &[&str] = &[
    "billing", "ledger", "search", "mail", "intake", "claims", "portal", "report", "worker", "cache",
    "queue", "auth",
];
const BRANCHES: &[&str] = &["main", "develop", "fix/rounding", "feat/export", "release/4.2", "hotfix/login"];
const DIRS: &[&str] = &["src", "src/api", "tests", "deploy", "docs", "build/tmp"];
const FILES: &[&str] = &[
    "src/main.rs",
    "src/api/mod.rs",
    "deploy/prod.yaml",
    "deploy/staging.yaml",
    "README.md",
    "certs/portal.pem",
];
const SPACES: &[&str] = &["staging", "production", "preview", "tools"];
const QUERIES: &[&str] = &[
    "select count(*) from orders",
    "update orders set state = 'paid' where id = 7",
    "delete from sessions",
    "vacuum",
];

/// One command, its blanks filled in.
pub(super) fn command(dice: &mut Dice) -> Vec<String> {
    let total = COMMANDS.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let mut drawn = dice.below(total);
    let chosen = COMMANDS.iter().find(|(weight, _)| {
        let here = drawn < u64::from(*weight);
        drawn = drawn.saturating_sub(u64::from(*weight));
        here
    });
    let (_, words) = chosen.copied().unwrap_or((0, "true"));
    words.split(' ').map(|word| filled(word, dice)).collect()
}

fn filled(word: &str, dice: &mut Dice) -> String {
    let mut text = word.to_owned();
    for (blank, values) in [
        ("{word}", WORDS),
        ("{branch}", BRANCHES),
        ("{dir}", DIRS),
        ("{file}", FILES),
        ("{ns}", SPACES),
        ("{query}", QUERIES),
    ] {
        if text.contains(blank) {
            text = text.replace(blank, dice.one_of(values));
        }
    }
    if text.contains("{words}") {
        text = text.replace("{words}", &format!("{} {}", dice.one_of(WORDS), dice.one_of(WORDS)));
    }
    if text.contains("{n}") {
        text = text.replace("{n}", &(1 + dice.below(9)).to_string());
    }
    text
}
