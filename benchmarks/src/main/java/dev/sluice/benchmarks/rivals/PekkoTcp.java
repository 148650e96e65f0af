// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import dev.sluice.metrics.Counter;
import java.util.Iterator;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.Tcp;
import org.apache.pekko.util.ByteString;

/**
 * Pekko Streams' own TCP. It takes ByteStrings, which live on the heap: what a device has filled must be copied into one,
 * and is copied again on its way to the kernel.
 */
final class PekkoTcp implements SendLoop {

    private final Counter sent = new Counter();
    private final ActorSystem system = ActorSystem.create("sender");
    private final CompletionStage<Done> ended;
    private volatile boolean finishing;

    PekkoTcp(Ring ring, int port) {
        ended = Source.fromIterator(() -> frames(ring))
                .via(Tcp.get(system).outgoingConnection("127.0.0.1", port))
                .runWith(Sink.ignore(), system);
    }

    /** Counts a frame when it is asked for: up to those that Pekko buffers before the kernel has it. */
    private Iterator<ByteString> frames(Ring ring) {
        return new Iterator<>() {
            private int next;

            @Override
            public boolean hasNext() {
                return !finishing;
            }

            @Override
            public ByteString next() {
                ByteString frame =
                        ByteString.fromByteBuffer(ring.buffer(next).duplicate().clear());
                next = (next + 1) % ring.count();
                sent.add(frame.size());
                return frame;
            }
        };
    }

    @Override
    public long sentBytes() {
        return sent.value();
    }

    @Override
    public long finish() {
        finishing = true;
        ended.toCompletableFuture().join();
        return sent.value();
    }
}
