"""Cases that cannot apply to fastkiq's backend, or whole classes, each with its reason. All others must pass."""

IMMEDIATE = "the immediate backend keeps no results and knows no run_after; fastkiq's does both"
MEMORY = "sets a field of the dummy backend's object in memory; of fastkiq's results the same is tried with a worker"
NEWER = "of Django 6.1: before it no backend can do that"
WORDS = "the package django-tasks has other words in its message"
INTERRUPT = (
    "runs in the caller's own thread, whom KeyboardInterrupt would end; in a worker it is a failure as any other"
)
RQ = "looks into RQ itself"
TABLE = "looks into the table of django-tasks-db, or writes to it"
COMMAND = "of the command db_worker and its options"
ID = "of an option of django-tasks-db for other ids; fastkiq's are those of jobs"

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
    "CompatTestCase.test_compat_has_django_task": "of a module of django-tasks-rq's and django-tasks-db's own",
    "DatabaseBackendTestCase.test_refresh_result": TABLE,
    "DatabaseBackendTestCase.test_refresh_result_async": TABLE,
    "DatabaseBackendTestCase.test_invalid_task_path": TABLE,
    "DatabaseBackendTestCase.test_missing_task_path": TABLE,
    "DatabaseBackendTestCase.test_task_name": TABLE,
    "DatabaseBackendTestCase.test_priority_range_check": TABLE,
    "DatabaseBackendTestCase.test_index_scan_for_ready": TABLE,
    "DatabaseBackendTestCase.test_run_after_null_0016_migration": TABLE,
    "DatabaseBackendTestCase.test_database_backend_app_missing": "asks for the app django_tasks_db; see test_checks.py",
    "DatabaseBackendTestCase.test_custom_id_function": ID,
    "DatabaseBackendTestCase.test_unknown_id_function": ID,
    "DatabaseBackendTestCase.test_postgres_db_id_function": ID,
    "DatabaseBackendTestCase.test_postgres_id_function_expression": ID,
    "DatabaseBackendWorkerTestCase.test_run_after": TABLE,
    "DatabaseBackendWorkerTestCase.test_run_after_priority": TABLE,
    "DatabaseBackendWorkerTestCase.test_invalid_task_path": TABLE,
    "DatabaseBackendWorkerTestCase.test_missing_task_path": TABLE,
    "DatabaseBackendWorkerTestCase.test_task_import_string": TABLE,
    "DatabaseBackendWorkerTestCase.test_worker_with_locked_rows": TABLE,
    "DatabaseBackendWorkerTestCase.test_doesnt_process_different_backend": (
        "a worker of django-tasks-db serves one backend of TASKS; fastkiq's serve queues, whichever backend fills them"
    ),
    "DatabaseBackendWorkerTestCase.test_unknown_backend": COMMAND,
    "DatabaseBackendWorkerTestCase.test_incorrect_backend": COMMAND,
    "DatabaseBackendWorkerTestCase.test_negative_interval": COMMAND,
    "DatabaseBackendWorkerTestCase.test_infinite_interval": COMMAND,
    "DatabaseBackendWorkerTestCase.test_fractional_interval": COMMAND,
    "DatabaseBackendWorkerTestCase.test_zero_interval": COMMAND,
    "DatabaseBackendWorkerTestCase.test_exclude_queues_requires_processing_all_queues": COMMAND,
    "DatabaseBackendWorkerTestCase.test_process_all_queues_excluding_one_queue": COMMAND,
    "DatabaseBackendWorkerTestCase.test_zero_max_tasks": COMMAND,
    "DatabaseBackendWorkerTestCase.test_negative_max_tasks": COMMAND,
    "DatabaseBackendWorkerTestCase.test_too_long_worker_id": COMMAND,
    "DatabaseBackendWorkerTestCase.test_empty_worker_id": COMMAND,
    "DatabaseBackendWorkerTestCase.test_verbose_logging": COMMAND,
    "DatabaseBackendWorkerTestCase.test_max_tasks": COMMAND,
    "AdminTestCase": "of the admin of django-tasks-db",
    "DBTaskResultOrderingTestCase": "of the order of rows in the table of django-tasks-db",
    "DatabaseTaskResultTestCase": "of the rows of django-tasks-db and their locks",
    "ConnectionExclusiveTranscationTestCase": "of transactions of SQLite's in which django-tasks-db takes a row",
    "DatabaseBackendPruneTaskResultsTestCase": "of a command that deletes old rows; results here expire by themselves",
    "DatabaseWorkerProcessTestCase": (
        "starts db_worker as a child, with waits of one second; test_command.py has the like with fastkiq's command"
    ),
}
BEFORE_6_1 = {
    "TaskTestCase.test_pickle_task": NEWER,
    "TaskTestCase.test_pickle_task_result": NEWER,
    "TaskTestCase.test_unpickle_arbitrary_string": NEWER,
    "TaskTestCase.test_unpickle_non_task_object": NEWER,
    "TaskTestCase.test_run_after_in_decorator": NEWER,
}
BEFORE_6_0 = {"DummyBackendTestCase.test_validate_disallowed_async_task": WORDS}
