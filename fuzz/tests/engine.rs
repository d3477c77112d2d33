//! The engine. `cargo xtask fuzz` builds it with instrumentation: then libFuzzer runs one target,
//! named in `CASCADE_FUZZ_TARGET`, guided by coverage. Built as any other test it changes the seeds
//! blindly, all targets in turn, for as many seconds as `CASCADE_FUZZ_SECONDS` says.

#[cfg(fuzzing_libfuzzer)]
fn main() {
    let name = std::env::var("CASCADE_FUZZ_TARGET").expect("CASCADE_FUZZ_TARGET names a target");
    let target = cascade_fuzz::find(&name).expect("a target of that name");
    bolero::check!().for_each(|input: &[u8]| {
        if input.len() <= target.bytes_max {
            (target.run)(input);
        }
    });
}

#[cfg(not(fuzzing_libfuzzer))]
fn main() {
    blind::run();
}

#[cfg(not(fuzzing_libfuzzer))]
mod blind {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;
    use std::time::{Duration, Instant};

    use cascade_fuzz::{TARGETS, Target};

    /// What a run takes when nobody says otherwise.
    const SECONDS: u64 = 20;
    /// What structure is made of in one format or another.
    const WORDS: &[&str] = &[
        "\n",
        "\n\n",
        "\0",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\u",
        "\u{2014} ",
        "+",
        "=",
        "==",
        "-",
        "0",
        "9",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551616",
        "null",
        "$(",
        ")",
        "`",
        "'",
        "<<",
        "|",
        "&&",
        ";",
        "#",
        "\r",
        "\t",
        " ",
        "\u{fffd}",
        "\u{202e}",
        "@",
        "*",
        "/",
    ];

    pub(crate) fn run() {
        let seconds = std::env::var("CASCADE_FUZZ_SECONDS").ok().map(|text| text.parse().expect("a number"));
        let each =
            Duration::from_secs(seconds.unwrap_or(SECONDS)) / u32::try_from(TARGETS.len()).expect("few");
        for target in TARGETS {
            let inputs = explore(target, each);
            println!("{inputs:>9} inputs  {}", target.name);
        }
    }

    fn explore(target: &Target, time: Duration) -> u64 {
        let seeds = seeds(target);
        // The same inputs every time, as far as time allows: what is found is found again.
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let (start, mut inputs) = (Instant::now(), 0);
        while start.elapsed() < time {
            let mut input = seeds[dice.below(seeds.len())].clone();
            for _ in 0..=dice.below(4) {
                change(&mut input, &seeds[dice.below(seeds.len())], &mut dice);
            }
            input.truncate(target.bytes_max);
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(target.name);
                std::fs::write(&path, &input).expect("written");
                panic!("{} breaks a promise on {}", target.name, path.display());
            }
            inputs += 1;
        }
        inputs
    }

    fn seeds(target: &Target) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let entries = std::fs::read_dir(folder).expect("a folder of seeds");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).expect("readable")).collect()
    }

    fn change(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
        let at = dice.below(input.len() + 1);
        let end = (at + dice.below(16)).min(input.len());
        match dice.below(7) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = dice.byte(),
            2 => drop(input.drain(at..end)),
            3 => {
                let part = input[at..end].repeat(1 + dice.below(3));
                drop(input.splice(at..at, part));
            }
            4 => drop(input.splice(at..end, WORDS[dice.below(WORDS.len())].bytes())),
            5 => {
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(256)).min(other.len());
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
            _ => input.insert(at, dice.byte()),
        }
    }

    /// Numbers that are neither secret nor good, but always the same.
    struct Dice(u64);

    impl Dice {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, limit: usize) -> usize {
            usize::try_from(self.next() >> 32).unwrap_or(0) % limit.max(1)
        }

        fn byte(&mut self) -> u8 {
            self.next().to_be_bytes()[0]
        }
    }
}
