//! `completions` and `man`: made from the command line itself.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit;
use crate::failure::Error;

/// Prints a completion script.
pub fn completions(shell: Shell) -> Result<u8, Error> {
    clap_complete::generate(shell, &mut Args::command(), "bitaqa-reader", &mut io::stdout());
    Ok(exit::GOOD)
}

/// Prints the page of the program, or writes the pages of all commands into `directory`.
pub fn man(directory: Option<&Path>) -> Result<u8, Error> {
    match directory {
        None => {
            let page = clap_mangen::Man::new(Args::command());
            page.render(&mut io::stdout()).map_err(|source| Error::Stdout { source })?;
        }
        Some(path) => {
            let failed = |source| Error::WriteFile { path: path.to_owned(), source };
            std::fs::create_dir_all(path).map_err(failed)?;
            clap_mangen::generate_to(Args::command(), path).map_err(failed)?;
        }
    }
    Ok(exit::GOOD)
}
