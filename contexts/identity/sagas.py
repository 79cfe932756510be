"""The durable processes that identity owns."""

from dataclasses import dataclass
from datetime import timedelta

from contexts.identity.use_cases import MailLink
from shared.domain.saga import Remote, Saga, SagaRun, Stage


@dataclass(frozen=True, slots=True)
class MailingLink:
    """Mail a link that somebody asked for; its subject is the request, and nothing personal is in it."""

    mail_link: MailLink

    @property
    def saga(self) -> Saga:
        """Return the process: one mail, tried again until the mail server takes it."""
        return Saga(
            name="identity.mailing_link",
            stages=(Stage(step=Remote(name="send_mail", do=self.send)),),
            otherwise=None,
            deadline=timedelta(hours=24),
        )

    def send(self, run: SagaRun, key: str) -> None:
        """Have the mail server take the mail."""
        self.mail_link(request_id=run.subject_id, key=key)
