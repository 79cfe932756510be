"""The durable process that webhooks owns."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contexts.webhooks.domain import EndpointId
from contexts.webhooks.use_cases import TellOwner
from shared.domain.saga import Remote, Saga, SagaRun, Stage


@dataclass(frozen=True, slots=True)
class TellingOwner:
    """Mail the owner of an endpoint that nothing is sent to it any more; its subject is this one disabling."""

    tell_owner: TellOwner

    @property
    def saga(self) -> Saga:
        """Return the process: one mail, tried again until the mail server takes it."""
        return Saga(
            name="webhooks.telling_owner",
            stages=(Stage(step=Remote(name="send_mail", do=self.send)),),
            otherwise=None,
            deadline=timedelta(hours=24),
        )

    def send(self, run: SagaRun, key: str) -> None:
        """Have the mail server take the mail."""
        self.tell_owner(endpoint_id=EndpointId(UUID(str(run.data["endpoint_id"]))), key=key)
