//! Files that programs obey without being told their names.

use super::place::{Location, Place};

/// Is there a file among these that a call of this program obeys, whatever directory it lies in?
/// One for temporary files counts only for a call that works in such a directory.
pub(super) fn obeys(program: &str, directory: &Location, files: &[Location]) -> bool {
    let lists = |(programs, _): &&(&str, &str)| programs.split_whitespace().any(|name| name == program);
    let names: Vec<&str> =
        OBEYED.iter().filter(lists).flat_map(|(_, names)| names.split_whitespace()).collect();
    let temporary = |file: &Location| file.places().has(Place::Temp);
    let aside =
        directory.clone().alternatives().iter().all(|one| *one != Location::Unknown && !temporary(one));
    let near = |file: &Location| !(aside && temporary(file));
    files.iter().cloned().flat_map(Location::alternatives).filter(near).any(|file| match file {
        Location::Absolute(path) | Location::Home(path) | Location::Here { below: path, .. } => {
            path.last().is_some_and(|last| names.iter().any(|name| named(last, name)))
        }
        Location::Either(_) | Location::Unknown => !names.is_empty(),
    })
}

fn named(file: &str, name: &str) -> bool {
    name.strip_prefix('*').map_or(file == name, |end| file.ends_with(end))
}

/// Programs, and the names of the files; `*` stands for any start.
const OBEYED: &[(&str, &str)] = &[
    ("make gmake", "Makefile makefile GNUmakefile *.mk"),
    ("cmake ctest", "CMakeLists.txt CMakePresets.json *.cmake"),
    ("ninja meson", "build.ninja meson.build"),
    ("bazel bazelisk buck", "WORKSPACE WORKSPACE.bazel MODULE.bazel BUILD BUILD.bazel .bazelrc *.bzl"),
    ("mvn mvnw", "pom.xml"),
    ("gradle gradlew", "*.gradle *.gradle.kts gradle.properties"),
    ("ant sbt", "build.xml build.sbt *.sbt"),
    ("cargo", "Cargo.toml build.rs config.toml"),
    ("go", "go.mod go.work *.go"),
    ("just task", "justfile Justfile .justfile Taskfile.yml Taskfile.yaml"),
    ("npm npx pnpm pnpx yarn yarnpkg bun bunx deno", NODE),
    ("nx turbo lerna jest vitest mocha eslint vite webpack rollup next playwright nodemon", NODE),
    ("pip pipx uv uvx poetry pipenv pdm hatch pytest py.test tox nox pre-commit", PYTHON),
    ("ruby rake rails bundle bundler rspec gem", "Rakefile Gemfile *.gemspec .rspec spec_helper.rb"),
    ("composer php", "composer.json"),
];

const NODE: &str = "package.json .npmrc .pnpmfile.cjs pnpm-workspace.yaml .yarnrc .yarnrc.yml \
    bunfig.toml deno.json *.config.js *.config.cjs *.config.mjs *.config.ts .eslintrc.js .mocharc.js";
const PYTHON: &str = "setup.py setup.cfg pyproject.toml conftest.py tox.ini noxfile.py pytest.ini Pipfile \
    .pre-commit-config.yaml";
#[cfg(test)]
mod tests {
    use super::super::place::Location;
    use super::obeys;

    #[test]
    fn a_file_is_obeyed_by_the_programs_that_look_for_it() {
        for (program, file, expected) in [
            ("make", "Makefile", true),
            ("make", "sub/rules.mk", true),
            ("make", "Makefile.txt", false),
            ("npm", "package.json", true),
            ("make", "package.json", false),
            ("cat", "Makefile", false),
        ] {
            let files = [Location::START.join(file)];
            assert_eq!(obeys(program, &Location::START, &files), expected, "{program} {file}");
        }
        assert!(obeys("make", &Location::START, &[Location::Unknown]));
        assert!(!obeys("cat", &Location::START, &[Location::Unknown]));
        let (temp, file) = (Location::START.join("/tmp/x"), Location::START.join("/tmp/x/Makefile"));
        assert!(obeys("make", &temp, std::slice::from_ref(&file)));
        assert!(!obeys("make", &Location::START, &[file]));
    }
}
