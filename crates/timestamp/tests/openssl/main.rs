//! Tokens as OpenSSL makes them.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod tokens;
