//! What `policy::shell` promises: the table, the limits, and what real bash does.

#[cfg(test)]
mod shell {
    #[expect(clippy::disallowed_methods, reason = "it runs real bash in a directory of its own")]
    mod bash;
    mod limits;
    mod soup;
    mod table;
}
