//! What `policy::shell` promises: the table, the limits, and what real bash does.

#[cfg(test)]
mod shell {
    mod bash;
    mod limits;
    mod soup;
    mod table;
}
