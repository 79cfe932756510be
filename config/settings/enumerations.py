"""What the document of the operator API calls the enumerations of the contexts and of the kernel."""

NAMES_OF_ENUMERATIONS = {
    "HoldStatus": "contexts.inventory.domain.HoldStatus",
    "OrderStatus": "contexts.ordering.domain.OrderStatus",
    "OrderPaymentStatus": "contexts.ordering.domain.PaymentStatus",
    "FulfillmentStatus": "contexts.ordering.domain.FulfillmentStatus",
    "ApiKeyStatus": "contexts.identity.domain.ApiKeyStatus",
    "PaymentStatus": "contexts.payments.domain.PaymentStatus",
    "OperationKind": "contexts.payments.domain.OperationKind",
    "OperationStatus": "contexts.payments.domain.OperationStatus",
    "SagaStatus": "shared.saga.models.SagaRow.Status",
    "SagaStepStatus": "shared.saga.models.SagaStepRow.Status",
    "DeliveryStatus": "shared.outbox.models.DeliveryRow.Status",
}
