//! The program: everything is in the library of the same name, its modules too.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    keepalived::main()
}
