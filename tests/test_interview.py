"""The fold: where an interview stands after each event, and what the tutor must do next."""

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from tests.conftest import choices
from tutor.cards import Shelf, Text
from tutor.dialogue import gate, required_move, summary
from tutor.errors import HistoryError
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    Command,
    CommandGiven,
    Event,
    FollowUpAsked,
    LanguageChosen,
    QuestionAsked,
    Step,
    learner_message,
    parsed,
    to_json,
)
from tutor.interview import Interview
from tutor.planning import eligible, next_card
from tutor.rubric import RubricGrader

TEXT = Text(en="x", zh="x")


class Scene:
    """Builds a transcript by hand."""

    def __init__(self, shelf: Shelf, mode: str = "practice", questions: int = 2) -> None:
        self.shelf = shelf
        start = choices(mode=mode, questions=questions)
        self.messages: list[BaseMessage] = [learner_message("", "0", start)]

    @property
    def interview(self) -> Interview:
        return Interview.of(self.messages)

    def event(self, event: Event) -> "Scene":
        self.messages.append(ToolMessage("words for the model", tool_call_id="c", artifact=to_json(event)))
        return self

    def ask(self, card_id: str) -> "Scene":
        card = self.shelf.by_id[card_id]
        number = len(self.interview.rounds) + 1
        return self.event(
            QuestionAsked(
                card_id=card_id, topic=card.topic, level=card.level, number=number, of=2, question=card.question
            )
        )

    def say(self, text: str) -> "Scene":
        self.messages.append(learner_message(text, str(len(self.messages))))
        return self

    def said_instead(self, text: str) -> "Scene":
        """The latest message in other words."""
        self.messages.pop()
        return self.say(text)

    def press(self, command: Command) -> "Scene":
        self.messages.append(learner_message(command, str(len(self.messages)), CommandGiven(command=command)))
        return self

    def grade(self) -> "Scene":
        this = self.interview.rounds[-1]
        grade = RubricGrader(self.shelf).grade(self.shelf.by_id[this.asked.card_id], this.answer)
        return self.event(
            AnswerGraded(
                card_id=this.asked.card_id,
                answer=this.answer,
                grade=grade,
                helps=len(this.helps),
                after_showing=this.given_away,
                latest=gate(this.said[-1]),
            )
        )

    def follow(self, point: str, step: Step = "probe", requested: bool = False) -> "Scene":
        card_id = self.interview.rounds[-1].asked.card_id
        return self.event(FollowUpAsked(card_id=card_id, key_point=point, step=step, text=TEXT, requested=requested))

    def show(self) -> "Scene":
        card_id = self.interview.rounds[-1].asked.card_id
        return self.event(AnswerShown(card_id=card_id, question=TEXT, answer=TEXT))

    def sum_up(self) -> "Scene":
        return self.event(summary(self.interview.rounds[-1]))

    def next_tool(self) -> str | None:
        move = required_move(self.interview)
        return move.tool if move else None


def test_a_practice_interview_move_by_move(shelf: Shelf) -> None:
    scene = Scene(shelf)
    assert scene.next_tool() == "ask_question"
    assert scene.ask("kv-cache").next_tool() is None
    assert scene.say("keys and values of past tokens").next_tool() == "grade_answer"
    assert scene.grade().next_tool() == "ask_follow_up"
    assert scene.follow("linear-memory").next_tool() is None
    assert scene.interview.current is not None
    assert scene.say("the memory grows with length").next_tool() == "grade_answer"
    assert scene.interview.rounds[-1].answer == "keys and values of past tokens\n\nthe memory grows with length"
    assert scene.grade().next_tool() == "ask_follow_up", "it is time to sum up"
    assert scene.sum_up().next_tool() is None, "the learner is asked to say it all"
    scene.say("keys and values of past tokens are kept, the memory grows with length").grade()
    assert scene.next_tool() == "ask_question"
    scene.ask("lora-rank").say("product of two low-rank matrices BA, base frozen, B is zero").grade()
    assert scene.interview.finished
    assert scene.next_tool() is None


def test_a_full_answer_is_not_followed_up(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("lora-rank").say("product of two low-rank matrices BA, base frozen, B is zero").grade()
    assert scene.interview.rounds[-1].grade is not None
    assert scene.interview.rounds[-1].grade.score == 10.0
    assert scene.next_tool() == "ask_question"


def test_words_that_wait_for_their_grade_are_graded_together(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values").say("of the past tokens")
    assert scene.next_tool() == "grade_answer"
    grade = scene.grade().interview.rounds[-1].grade
    assert grade is not None
    assert grade.marks[0].verdict == "covered"


def test_an_exam_goes_from_question_to_question(shelf: Shelf) -> None:
    scene = Scene(shelf, mode="exam").ask("kv-cache")
    for command in ("hint", "explain", "show"):
        assert scene.press(command).next_tool() is None
    assert scene.say("keys").grade().next_tool() == "ask_follow_up", "a short answer: is there more?"
    scene.follow("", "pump")
    assert scene.say("and values of past tokens").grade().next_tool() == "ask_question"
    assert scene.ask("lora-rank").press("skip").interview.finished


def test_skipping_leaves_the_question(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").press("skip")
    assert scene.interview.current is None
    assert scene.next_tool() == "ask_question"
    assert scene.ask("lora-rank").press("skip").next_tool() is None
    assert scene.interview.finished


def test_explaining_waits_for_an_attempt_but_showing_does_not(shelf: Shelf) -> None:
    assert Scene(shelf).ask("kv-cache").press("explain").next_tool() is None
    assert Scene(shelf).ask("kv-cache").press("show").next_tool() == "retrieve_reference_answer"
    tried = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade().follow("linear-memory")
    assert tried.press("explain").next_tool() == "explain"


def test_what_is_said_after_the_answer_was_shown_is_graded_but_does_not_count(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade().follow("linear-memory")
    before = scene.interview.rounds[-1].counted
    scene.press("show").show()
    assert scene.interview.current is not None, "the learner may say it once more"
    assert scene.next_tool() is None
    scene.say(shelf.by_id["kv-cache"].answer.en).grade()
    this = scene.interview.rounds[-1]
    assert this.grade is not None
    assert this.grade.score > 4.0
    assert this.counted == before
    assert scene.next_tool() == "ask_question"


def test_help_is_counted_apart(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade().follow("linear-memory", "hint", True)
    scene.say("memory grows with length").grade()
    this = scene.interview.rounds[-1]
    assert this.unprompted is not None
    assert this.counted is not None
    assert this.unprompted.score < this.counted.score
    assert scene.next_tool() == "ask_follow_up", "a hint that was asked for is not a follow-up"


def test_the_end_ends_everything(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").press("end")
    assert scene.interview.finished
    assert scene.say("keys of past tokens").next_tool() is None


def test_the_language_can_change_at_any_time(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache")
    scene.messages.append(learner_message("", "l", LanguageChosen(language="zh")))
    assert scene.interview.language == "zh"
    assert scene.interview.rounds[-1].said == ()


def test_an_unknown_event_is_an_error_and_an_unknown_field_is_not() -> None:
    assert parsed({"kind": "command_given", "command": "hint", "new": 1}) == CommandGiven(command="hint")
    try:
        parsed({"kind": "teleported"})
    except HistoryError as error:
        assert "'teleported' cannot be read" in str(error)
        assert "update the tutor" in str(error)
    else:
        raise AssertionError("an unknown kind was skipped")


def test_words_of_the_tutor_change_nothing(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache")
    before = scene.interview
    scene.messages.append(AIMessage("You have passed with 10 of 10."))
    assert scene.interview == before


def test_the_plan_follows_level_topics_and_seed(shelf: Shelf) -> None:
    assert [card.id for card in eligible(shelf, ("memory",))] == ["kv-cache"]
    assert [card.id for card in eligible(shelf, (), "junior")] == ["lora-rank"]
    scene = Scene(shelf)
    first = next_card(shelf, scene.interview)
    assert first is not None
    assert first == next_card(shelf, scene.interview), "the same seed asks the same"
    second = next_card(shelf, scene.ask(first.card.id).interview)
    assert second is not None
    assert {first.card.id, second.card.id} == {"kv-cache", "lora-rank"}
    assert next_card(shelf, scene.ask(second.card.id).interview) is None
