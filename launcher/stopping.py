"""Why a command ends early."""


class Stop(Exception):
    """Something is missing or wrong on this machine. Its text is one sentence that says what,
    and the way out; it is shown without a traceback."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status
