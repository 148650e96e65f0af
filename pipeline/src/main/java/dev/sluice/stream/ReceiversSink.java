// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.time.Duration;
import java.util.List;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.Graph;
import org.apache.pekko.stream.SinkShape;
import org.apache.pekko.stream.UniformFanOutShape;
import org.apache.pekko.stream.javadsl.GraphDSL;

/** A sink with several receivers at once: a {@link SendStage} for each slot, with a {@link ReceiversStage} before them. */
final class ReceiversSink {

    private ReceiversSink() {}

    /**
     * Joins them.
     *
     * @param slots the stages of all slots, in their order; their own values are handed out as they say
     */
    static Graph<SinkShape<LentFrame>, NotUsed> of(
            Receivers receivers,
            List<SinkStream> streams,
            Duration drainTimeout,
            List<? extends Graph<SinkShape<LentFrame>, ?>> slots,
            StageLife life) {
        return GraphDSL.create(builder -> {
            UniformFanOutShape<LentFrame, LentFrame> fork =
                    builder.add(new ReceiversStage(receivers, streams, drainTimeout, life));
            for (int slot = 0; slot < slots.size(); slot++) {
                builder.from(PipelineGraph.ofFrames(fork.getOutlets().get(slot)))
                        .toInlet(builder.add(slots.get(slot)).in());
            }
            return SinkShape.of(fork.in());
        });
    }
}
