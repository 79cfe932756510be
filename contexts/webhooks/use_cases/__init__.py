"""What can be done about webhooks: one callable per verb."""

from contexts.webhooks.use_cases.endpoints import (
    AddEndpoint,
    AskForReplay,
    ChangeEndpoint,
    RemoveEndpoint,
    RotateSecret,
    SendTest,
    SwitchEndpoint,
)
from contexts.webhooks.use_cases.sending import (
    ClaimDeliveries,
    DiscardDelivery,
    FanOut,
    ForgetDeliveries,
    FulfilReplays,
    GiveUpOverdue,
    RetryDelivery,
    SettleAttempts,
    TellOwner,
)

__all__ = [
    "AddEndpoint",
    "AskForReplay",
    "ChangeEndpoint",
    "ClaimDeliveries",
    "DiscardDelivery",
    "FanOut",
    "ForgetDeliveries",
    "FulfilReplays",
    "GiveUpOverdue",
    "RemoveEndpoint",
    "RetryDelivery",
    "RotateSecret",
    "SendTest",
    "SettleAttempts",
    "SwitchEndpoint",
    "TellOwner",
]
