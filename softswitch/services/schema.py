"""Brings a database to the schema of this program, and refuses one that is ahead of it."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from softswitch.kernel.errors import LocalError

HEAD: Final = "0005"  # the last revision in migrations/versions

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def version(connection: Connection) -> str | None:
    """The revision that the database has; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def require(connection: Connection) -> None:
    """Raises `LocalError` when the database has not exactly this program's schema."""
    if (found := version(connection)) != HEAD:
        raise LocalError(f"the database has schema {found or 'none'}, this program needs {HEAD}: start the switch once")


def migrate(connection: Connection) -> None:
    """Run the steps that are missing, all or none. Raises `LocalError` when the database is newer than the program."""
    if version(connection) == HEAD:  # the usual case; Alembic takes 0.2 s to import
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "sqlite":
        connection.rollback()
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none for DDL; a second opener waits here
    if (found := version(connection)) is not None:
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found not in known:
            raise LocalError(
                f"the database has schema {found}, which is newer than this program knows ({HEAD}): "
                "install the program that made it, or restore a backup"
            )
    command.upgrade(config, "head")
    connection.commit()
