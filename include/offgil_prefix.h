/* Until offgil.h has them itself: each name with its prefix. */
#ifndef OFFGIL_PREFIX_H
#define OFFGIL_PREFIX_H
using offgil_pool_t = pool_t;
using offgil_future_t = future_t;
using offgil_group_t = group_t;
using offgil_completion_queue_t = completion_queue_t;
using offgil_completion_t = completion_t;
using offgil_pool_options_t = pool_options_t;
using offgil_task_options_t = task_options_t;
#define offgil_completion_queue_add completion_queue_add
#define offgil_completion_queue_create completion_queue_create
#define offgil_completion_queue_fd completion_queue_fd
#define offgil_completion_queue_next completion_queue_next
#define offgil_completion_queue_release completion_queue_release
#define offgil_future_call_result future_call_result
#define offgil_future_cancel future_cancel
#define offgil_future_error future_error
#define offgil_future_get_state future_get_state
#define offgil_future_on_done future_on_done
#define offgil_future_release future_release
#define offgil_future_retain future_retain
#define offgil_future_wait future_wait
#define offgil_future_wait_all future_wait_all
#define offgil_future_wait_any future_wait_any
#define offgil_group_cancel group_cancel
#define offgil_group_create group_create
#define offgil_group_release group_release
#define offgil_group_spawn group_spawn
#define offgil_group_wait group_wait
#define offgil_pool_call pool_call
#define offgil_pool_create pool_create
#define offgil_pool_create_with pool_create_with
#define offgil_pool_default pool_default
#define offgil_pool_destroy pool_destroy
#define offgil_pool_for pool_for
#define offgil_pool_invoke pool_invoke
#define offgil_pool_map pool_map
#define offgil_pool_options_init pool_options_init
#define offgil_pool_reduce pool_reduce
#define offgil_pool_release pool_release
#define offgil_pool_run_worker pool_run_worker
#define offgil_pool_shutdown pool_shutdown
#define offgil_pool_spawn pool_spawn
#define offgil_pool_spawn_with pool_spawn_with
#define offgil_pool_submit pool_submit
#define offgil_pool_submit_many pool_submit_many
#define offgil_pool_submit_with pool_submit_with
#define offgil_pool_thread_count pool_thread_count
#define offgil_pool_wait_idle pool_wait_idle
#define offgil_pool_worker_index pool_worker_index
#define offgil_task_block_begin task_block_begin
#define offgil_task_block_end task_block_end
#define offgil_task_fail task_fail
#define offgil_task_is_canceled task_is_canceled
#define offgil_task_options_init task_options_init
#define OFFGIL_POOL_FULL_BLOCK POOL_FULL_BLOCK
#define OFFGIL_POOL_FULL_FAIL POOL_FULL_FAIL
#define OFFGIL_POOL_FULL_RUN POOL_FULL_RUN
#define OFFGIL_POOL_FIFO POOL_FIFO
#define OFFGIL_POOL_LIFO POOL_LIFO
#define OFFGIL_POOL_DRAIN POOL_DRAIN
#define OFFGIL_POOL_CANCEL POOL_CANCEL
#define OFFGIL_FUTURE_QUEUED FUTURE_QUEUED
#define OFFGIL_FUTURE_RUNNING FUTURE_RUNNING
#define OFFGIL_FUTURE_DONE FUTURE_DONE
#define OFFGIL_FUTURE_CANCELED FUTURE_CANCELED
#define OFFGIL_FUTURE_INVALID FUTURE_INVALID
#define OFFGIL_TASK_LOW TASK_LOW
#define OFFGIL_TASK_NORMAL TASK_NORMAL
#define OFFGIL_TASK_HIGH TASK_HIGH
#endif
