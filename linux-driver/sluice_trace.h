/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sluice

#if !defined(SLUICE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SLUICE_TRACE_H

#include <linux/tracepoint.h>

#include "sluice.h"

DECLARE_EVENT_CLASS(sluice_buffer,
	TP_PROTO(const struct sluice_buffer *buffer),
	TP_ARGS(buffer),
	TP_STRUCT__entry(
		__field(int, number)
		__field(u32, index)
		__field(u64, sequence)
		__field(u64, bytes)
		__field(u64, lost)
	),
	TP_fast_assign(
		__entry->number = buffer->sluice->number;
		__entry->index = buffer->index;
		__entry->sequence = buffer->sequence;
		__entry->bytes = buffer->bytes;
		__entry->lost = buffer->lost;
	),
	TP_printk("sluice%d buffer=%u sequence=%llu bytes=%llu lost=%llu",
		  __entry->number, __entry->index, __entry->sequence,
		  __entry->bytes, __entry->lost)
);

/* The frame's fields are of the last frame in arm, release and quarantine. */
DEFINE_EVENT(sluice_buffer, sluice_arm,
	TP_PROTO(const struct sluice_buffer *buffer), TP_ARGS(buffer));
DEFINE_EVENT(sluice_buffer, sluice_done,
	TP_PROTO(const struct sluice_buffer *buffer), TP_ARGS(buffer));
DEFINE_EVENT(sluice_buffer, sluice_lend,
	TP_PROTO(const struct sluice_buffer *buffer), TP_ARGS(buffer));
DEFINE_EVENT(sluice_buffer, sluice_release,
	TP_PROTO(const struct sluice_buffer *buffer), TP_ARGS(buffer));
DEFINE_EVENT(sluice_buffer, sluice_quarantine,
	TP_PROTO(const struct sluice_buffer *buffer), TP_ARGS(buffer));

#endif /* SLUICE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE sluice_trace
#include <trace/define_trace.h>
