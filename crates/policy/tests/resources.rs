//! Command lines, and what they act on.

use std::sync::LazyLock;

use cascade_policy::worker::{Classification, Registry};

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

fn found(answer: &Classification) -> Vec<String> {
    let all = answer.commands.iter().flat_map(|command| &command.resources);
    let mut all: Vec<String> = all.map(ToString::to_string).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn of_line(line: &str, env: &[(&str, &str)]) -> Vec<String> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let env: Vec<_> = env.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
    found(&BUILTIN.classify_line(line, &env))
}

/// Line, and everything that it acts on.
const LINES: &[(&str, &str)] = &[
    ("ls -l", ""),
    ("git commit -m x", ""),
    ("git push --help", ""),
    ("kubectl --help", ""),
    ("kubectl config get-contexts", ""),
    // Named by a word.
    ("kubectl --context prod -n shop get pods", "cluster:prod namespace:shop"),
    ("kubectl get pods --context=prod -nshop", "cluster:prod namespace:shop"),
    ("helm --kube-context prod -n a upgrade x y", "cluster:prod namespace:a"),
    ("git push https://github.com/acme/shop main", "host:github.com repo:github.com/acme/shop"),
    ("git clone git@GitHub.com:acme/shop.git", "host:github.com repo:github.com/acme/shop"),
    ("git clone ../x", "repo:../x"),
    ("psql -h db1 -d shop", "database:db1/shop host:db1"),
    ("psql --hos db1 shop", "database:db1/shop host:db1"),
    ("psql -h db1,db2 shop", "database:db1/shop database:db2/shop host:db1 host:db2"),
    ("psql -h /run/postgresql shop", "database:localhost/shop host:localhost"),
    ("ssh web1 uptime", "host:web1"),
    ("scp a b web1:", "host:web1"),
    ("scp ./a:b web1:", "host:web1"),
    ("scp '[::1]:a' .", "host:::1"),
    ("curl 'https://[::1]:80/' http://A.example.", "host:::1 host:a.example"),
    ("aws s3 sync . s3://backups/x --profile prod", "account:prod bucket:s3://backups"),
    // Not named.
    ("kubectl get pods", "cluster:… namespace:…"),
    ("kubectl --context \"$X\" -n a get pods", "cluster:… namespace:a"),
    ("kubectl --context \"prod-$X\" -n a get pods", "cluster:… namespace:a"),
    ("kubectl --context dev -n a get pod \"$X\"", "cluster:dev cluster:… namespace:a namespace:…"),
    ("kubectl --context dev -n a get pod \"web-$X\"", "cluster:dev namespace:a"),
    ("kubectl --context dev -n a get $X", "cluster:dev cluster:… namespace:a namespace:…"),
    ("kubectl $X", "cluster:… namespace:…"),
    ("kubectl --context a --context b -n x get pods", "cluster:a cluster:b namespace:x"),
    ("kubectl --context dev --kubeconfig ./forged -n x get pods", "cluster:dev cluster:… namespace:x"),
    ("KUBECONFIG=./forged kubectl --context dev -n x get pods", "cluster:dev cluster:… namespace:x"),
    ("kubectl --context dev --server https://prod -n x get pods", "cluster:dev cluster:… namespace:x"),
    ("kubectl --context dev delete ns a -A", "cluster:dev namespace:…"),
    ("git push", "repo:…"),
    ("git push origin main", "repo:…"),
    ("git \"$X\"", "repo:…"),
    ("git fetch --all", "repo:…"),
    ("git push ext::sh repo", "host:… repo:…"),
    ("psql", "database:… host:…"),
    ("psql -h db1", "database:db1/… host:db1"),
    ("psql -h db1 \"$X\"", "database:db1/… database:… host:db1 host:…"),
    ("psql service=prod", "database:… host:…"),
    ("psql -h dev1 service=prod", "database:dev1/… database:… host:dev1 host:…"),
    ("psql \"host=db1 password='a b' dbname=c\"", "database:… host:…"),
    ("ssh \"$HOST\" uptime", "host:…"),
    ("ssh -o \"$X\" web1 uptime", "host:web1 host:…"),
    ("scp \"$FROM\" web1:", "host:web1 host:…"),
    ("curl \"https://$X/a\"", "host:…"),
    ("curl \"https://a.example/$X\"", "host:a.example"),
    ("curl https://a.example/x?y https://[ab].example/", "host:a.example host:…"),
    ("curl \"https://a.example$X/\"", "host:…"),
    ("curl 'https://{dev,prod}.example.org/'", "host:…"),
    // Credentials, and what only looks like a host.
    ("git push https://ann:secret@github.com/acme/shop.git", "host:github.com repo:github.com/acme/shop"),
    ("git push https://ann:se/cret@github.com/acme/shop", "host:ann repo:…"),
    ("git remote set-url origin https://ann:secret@github.com/a/b", "host:github.com repo:github.com/a/b"),
    ("psql postgres://ann:secret@db1:5432/shop?sslmode=require", "database:db1/shop host:db1"),
    ("psql 'postgres://ann:secret@dev1/shop?host=prod1'", "database:…/shop host:…"),
    ("psql 'postgres://ann:se/cret@db1/shop'", "database:… host:…"),
    ("mongosh mongodb://ann:secret@a:27017,b/shop", "database:a/shop database:b/shop host:a host:b"),
    ("redis-cli -u redis://:secret@cache1/0 get x", "database:cache1/0 host:cache1"),
    ("curl -u ann:secret https://ann:secret@a.example/x?token=secret", "host:a.example"),
    ("curl https://github.com@evil.example/", "host:evil.example"),
    ("curl 'https://evil.example\\@github.com/'", "host:…"),
    ("ssh ann:secret@web1 uptime", "host:web1"),
    ("kubectl --context https://ann:secret@c1/x -n a get pods", "cluster:https://c1/x namespace:a"),
    // Ways around.
    ("ssh -J jump1,ann@jump2:22 web1 uptime", "host:jump1 host:jump2 host:web1"),
    ("ssh -o ProxyJump=jump1 web1 uptime", "host:jump1 host:web1"),
    ("ssh -oHostName=prod1 dev1 uptime", "host:dev1 host:prod1"),
    ("ssh -F ./forged dev1 uptime", "host:dev1 host:…"),
    ("curl --connect-to a.example:443:prod1:443 https://a.example", "host:a.example host:…"),
    (
        "git remote set-url origin https://evil.example/a/b; git push https://github.com/a/b",
        "host:evil.example host:… repo:evil.example/a/b repo:…",
    ),
    ("docker --context prod ps", "host:prod"),
    ("docker -H tcp://web1:2375 ps", "host:web1"),
    // Variables.
    ("PGHOST=db1 psql shop", "database:db1/shop host:db1"),
    ("export PGHOST=db1; psql shop", "database:db1/shop host:db1"),
    ("env PGHOST=db1 psql -d shop", "database:db1/shop host:db1"),
    ("PGSERVICE=prod psql -h dev1 shop", "database:dev1/shop database:… host:dev1 host:…"),
    ("AWS_PROFILE=\"$X\" aws s3 ls", "account:…"),
    ("AWS_PROFILE=prod; aws s3 ls", "account:prod account:…"),
    ("export AWS_PROFILE=\"$X\"; aws s3 ls", "account:…"),
    ("AWS_PROFILE=dev aws --profile prod s3 ls", "account:prod"),
    // Wrappers, and what runs on another machine.
    ("sudo -u ann timeout 5 kubectl --context prod -n a get pods", "cluster:prod namespace:a"),
    ("bash -c 'kubectl --context prod -n a get pods'", "cluster:prod namespace:a"),
    ("echo web1 | xargs -I{} ssh {} uptime", "host:web1"),
    ("xargs ssh < hosts", "host:…"),
    ("ssh web1 'psql -h db1 shop'", "database:db1/shop host:db1 host:web1"),
    (
        "kubectl --context prod -n a exec web-0 -- redis-cli -h c -n 0 get x",
        "cluster:prod database:c/0 host:c namespace:a",
    ),
    ("./kubectl --context prod -n a get pods", "cluster:prod namespace:a"),
];

#[test]
fn a_line_acts_on_what_its_words_name() {
    let other = |(line, expected): &(&str, &str)| {
        let told = of_line(line, &[]).join(" ");
        (told != *expected).then(|| format!("{line}\n  is on {told}\n  and not {expected}"))
    };
    let others: Vec<String> = LINES.iter().filter_map(other).collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[test]
fn nobody_s_name_or_password_is_one_of_a_resource() {
    for (line, _) in LINES {
        let told = of_line(line, &[]).join(" ");
        assert!(!told.contains("secret") && !told.contains("cret@"), "{line}: {told}");
    }
}

/// Line, variables that were there before, and everything that it acts on.
type Ambient = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const AMBIENT: &[Ambient] = &[
    ("psql", &[("PGHOST", "Db1"), ("PGDATABASE", "shop")], "database:db1/shop host:db1"),
    ("psql -h db2 shop", &[("PGHOST", "db1")], "database:db2/shop host:db2"),
    ("PGHOST=db2 psql shop", &[("PGHOST", "db1")], "database:db1/shop database:db2/shop host:db1 host:db2"),
    ("psql -h db1 shop", &[("PGSERVICE", "prod")], "database:db1/shop database:… host:db1 host:…"),
    ("unset AWS_PROFILE; aws s3 ls", &[("AWS_PROFILE", "dev")], "account:dev account:…"),
    ("env -u AWS_PROFILE aws s3 ls", &[("AWS_PROFILE", "dev")], "account:dev account:…"),
    ("source ./env; aws s3 ls", &[("AWS_PROFILE", "dev")], "account:dev account:…"),
    ("sudo aws s3 ls", &[("AWS_PROFILE", "dev")], "account:dev account:…"),
    ("ssh web1 aws s3 ls", &[("AWS_PROFILE", "dev")], "account:dev account:… host:web1"),
    ("aws s3 ls", &[("AWS_PROFILE", "dev")], "account:dev"),
    ("docker ps", &[("DOCKER_HOST", "ssh://ann@web1")], "host:web1"),
    ("gh pr list", &[("GH_REPO", "acme/shop")], "host:github.com repo:github.com/acme/shop"),
];

#[test]
fn variables_name_what_no_word_names() {
    for (line, env, expected) in AMBIENT {
        assert_eq!(of_line(line, env).join(" "), *expected, "{line}");
    }
}

#[test]
fn variables_that_name_a_resource_belong_to_the_action() {
    let argv = |text: &str| text.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let governing = |text: &str| BUILTIN.governing_env(&argv(text));
    assert!(governing("psql shop").contains(&"PGHOST".to_owned()));
    assert!(governing("sudo psql shop").contains(&"PGSERVICE".to_owned()));
    // These can hold a credential, so they stay where they are.
    assert!(!governing("aws s3 ls").contains(&"AWS_ACCESS_KEY_ID".to_owned()));
}

#[test]
fn more_resources_than_the_limit_are_told_by_kind() {
    let hosts = |count: usize| {
        let words: Vec<String> = (0..count).map(|at| format!("http://h{at}/")).collect();
        of_line(&format!("curl {}", words.join(" ")), &[])
    };
    assert_eq!(hosts(64).len(), 64);
    assert_eq!(hosts(65), ["host:…"]);
}
