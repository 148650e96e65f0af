// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.Done;

/**
 * How many stages of a stream are at work. Its sources and sinks tell their own end, but a stage between them may still be
 * letting go of frames then: what belongs to all may only be closed after the last.
 */
final class StageLife {

    /** One for whoever makes the stages, until all are made. */
    private final AtomicInteger live = new AtomicInteger(1);

    private final CompletableFuture<Done> ended = new CompletableFuture<>();

    /** A stage is made. */
    void begins() {
        live.incrementAndGet();
    }

    /** A stage has stopped, or all are made. */
    void ends() {
        if (live.decrementAndGet() == 0) {
            ended.complete(Done.getInstance());
        }
    }

    CompletionStage<Done> ended() {
        return ended;
    }
}
