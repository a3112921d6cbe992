//! `completions` and `man`: generated from the command line's own description.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::failure::Failure;

pub fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Arguments::command(), "bitaqa-pki", &mut io::stdout());
}

pub fn manual(directory: Option<&Path>) -> Result<(), Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
        return rendered
            .and_then(|()| io::stdout().write_all(&page))
            .map_err(|error| Failure::unwritable(Path::new("/dev/stdout"), &error));
    };
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
        .map_err(|error| Failure::unwritable(directory, &error))
}
