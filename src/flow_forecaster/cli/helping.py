"""How the help looks."""

from typing import Any

from typer.core import TyperGroup, TyperOption


class Commands(TyperGroup):
    """Commands whose flags stand alone in the help: Typer writes `<bool>` behind them, though they take no value."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command by its name."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _bare(command.get_params(ctx))
        return command

    def get_params(self, ctx: Any) -> Any:
        """List the options of the group itself."""
        return _bare(super().get_params(ctx))


def _bare(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if isinstance(each, TyperOption) and each.is_flag:
            each.metavar = ""
    return parameters
