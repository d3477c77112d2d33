mod bad;
mod keys;
mod kit;
mod real;
mod tls;
