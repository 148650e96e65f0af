// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;

/** A sink at work, for whoever runs it; any thread. */
public interface SinkControl {

    /** From now on the sink has the drain time-out to end; then what is not sent is dropped. */
    void drain();

    /**
     * Once what comes before the end of the stream is sent and the kernel has let go of it, the sink ends without a word
     * to its receiver: another will go on with what it has open. It has the drain time-out for that.
     */
    void handOver();

    /** Completes when the sink has ended and closed what it sent to; fails if it could not do all that it was given. */
    CompletionStage<Done> ended();
}
