"""What can go wrong and be mended by the person who runs the tutor or writes its cards.

    TutorError              one line: where, what, next step
    ├── SettingsError       an environment variable or argument
    ├── CardError           a file in the cards' folder
    ├── PromptError         a prompt or phrase file
    ├── HistoryError        the data folder or the Chroma server
    ├── NotGraded           an answer that the judge could not grade
    └── EngineError         the configured model

Everything else that rises is a bug.
"""


class TutorError(Exception):
    """An error whose message a person can act on; shown as one line, without a traceback."""


class SettingsError(TutorError):
    """A setting that cannot be used as it is."""


class CardError(TutorError):
    """A card, topic or term file that does not follow the format."""


class PromptError(TutorError):
    """A prompt or phrase that is missing or cannot be filled."""


class HistoryError(TutorError):
    """Chat history that cannot be opened, read or written."""


class NotGraded(TutorError):
    """An answer that could not be graded; it keeps no score, and can be graded again."""


class EngineError(TutorError):
    """A model that cannot be reached or does not answer as it should."""
