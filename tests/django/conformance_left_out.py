"""Cases that cannot apply to fastkiq's backend, each with its reason. All others must pass."""

IMMEDIATE = "the immediate backend keeps no results and knows no run_after; fastkiq's does both"
MEMORY = "sets a field of the dummy backend's object in memory; of fastkiq's results the same is tried with a worker"
NEWER = "of Django 6.1: before it no backend can do that"
WORDS = "the package django-tasks has other words in its message"
INTERRUPT = (
    "runs in the caller's own thread, whom KeyboardInterrupt would end; in a worker it is a failure as any other"
)
RQ = "looks into RQ itself"

ALWAYS = {
    "DummyBackendTestCase.test_refresh_result": MEMORY,
    "DummyBackendTestCase.test_refresh_result_async": MEMORY,
    "ImmediateBackendTestCase.test_cannot_get_result": IMMEDIATE,
    "ImmediateBackendTestCase.test_cannot_refresh_result": IMMEDIATE,
    "ImmediateBackendTestCase.test_cannot_pass_run_after": IMMEDIATE,
    "ImmediateBackendTestCase.test_throws_keyboard_interrupt": INTERRUPT,
    "RQBackendTestCase.test_complex_return_value": "RQ's own words for what cannot be kept; here it is a TypeError",
    "RQBackendTestCase.test_invalid_task_path": RQ,
    "RQBackendTestCase.test_queue_isolation": RQ,
    "RQBackendTestCase.test_rq_app_missing": "asks for RQ's app; see test_checks.py",
    "RQBackendTestCase.test_unknown_queue_name": RQ,
    "RQBackendTestCase.test_uses_rq_queues_for_queue_names": RQ,
    "RQBackendTestCase.test_exception_classes_pop_empty_list_bug": RQ,
    "CompatTestCase.test_compat_has_django_task": "of a module of django-tasks-rq's own",
}
BEFORE_6_1 = {
    "TaskTestCase.test_pickle_task": NEWER,
    "TaskTestCase.test_pickle_task_result": NEWER,
    "TaskTestCase.test_unpickle_arbitrary_string": NEWER,
    "TaskTestCase.test_unpickle_non_task_object": NEWER,
    "TaskTestCase.test_run_after_in_decorator": NEWER,
}
BEFORE_6_0 = {"DummyBackendTestCase.test_validate_disallowed_async_task": WORDS}
