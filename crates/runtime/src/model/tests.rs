mod bad;
mod kit;
mod real;
