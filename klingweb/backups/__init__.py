"""All of an installation in one file, and back: the database as it was at one moment, and the files that it names."""


class BackupError(Exception):
    """A backup cannot be made or restored. The text is a sentence that says what to do."""
