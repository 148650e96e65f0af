// SPDX-License-Identifier: Apache-2.0
/**
 * The stages: acquire → filter → … → send, reap and release.
 *
 * <p>{@link dev.sluice.stream.AcquireStage} asks the device for filled buffers when there is demand and only then, so
 * that a slow sink fills the device and not the heap. {@link dev.sluice.stream.FilterStage} narrows a frame to slices.
 * {@link dev.sluice.stream.SendStage} hands them to a transport, reaps the completions and releases the frames: one
 * stage, since all three concern one socket. {@link dev.sluice.stream.FileStage} writes files instead. {@link
 * dev.sluice.stream.FramePool} counts who still reads a frame.
 *
 * <p>Threading: the stages of a pipeline are fused and run in one actor, so frames, pool, device and transport need no
 * locks. Nobody there waits: {@link dev.sluice.stream.Reactor} has the thread that does, a file sink one for its disk, and
 * both only pass the word.
 */
@NullMarked
package dev.sluice.stream;

import org.jspecify.annotations.NullMarked;
