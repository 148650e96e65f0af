// SPDX-License-Identifier: Apache-2.0
/**
 * Who lives, who is restarted, and what state a pipeline is in: Pekko Typed actors. They own life, not bytes; no message
 * here is per frame.
 *
 * <pre>
 *   Guardian ── Pipeline ── Connector, Listener
 *                  │            │ connected sockets
 *                  └── stream ◀─┘   (acquire → filter → send)
 * </pre>
 *
 * <p>Entry point: {@link dev.sluice.control.PipelineSystem}.
 */
@NullMarked
package dev.sluice.control;

import org.jspecify.annotations.NullMarked;
