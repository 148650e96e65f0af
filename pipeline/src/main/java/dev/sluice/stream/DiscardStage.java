// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.metrics.SinkCounters;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.SinkShape;
import org.apache.pekko.stream.stage.AbstractGraphStageWithMaterializedValue;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.GraphStageLogic;

/** Counts frames and lets go of them: how fast a pipeline is when nobody receives. */
public final class DiscardStage extends AbstractGraphStageWithMaterializedValue<SinkShape<LentFrame>, SinkControl> {

    private final Inlet<LentFrame> in = Inlet.create("DiscardStage.in");
    private final SinkShape<LentFrame> shape = SinkShape.of(in);
    private final List<SinkStream> streams;
    private final SinkCounters counters;

    public DiscardStage(List<SinkStream> streams, SinkCounters counters) {
        this.streams = streams;
        this.counters = counters;
    }

    @Override
    public SinkShape<LentFrame> shape() {
        return shape;
    }

    @Override
    public Pair<GraphStageLogic, SinkControl> createLogicAndMaterializedValuePair(Attributes inherited) {
        Logic logic = new Logic();
        return Pair.create(logic, logic);
    }

    private final class Logic extends GraphStageLogic implements SinkControl {

        private final CompletableFuture<Done> ended = new CompletableFuture<>();

        Logic() {
            super(shape);
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    LentFrame frame = grab(in);
                    counters.kept.add(frame.size());
                    counters.framesSent.add(1);
                    frame.release();
                    pull(in);
                }

                @Override
                public void onUpstreamFailure(Throwable cause) {
                    ended.completeExceptionally(cause);
                    failStage(cause);
                }
            });
        }

        @Override
        public void preStart() {
            pull(in);
        }

        /** It is always done with what it has. */
        @Override
        public void drain() {}

        @Override
        public void handOver() {}

        @Override
        public CompletionStage<Done> ended() {
            return ended;
        }

        @Override
        public void postStop() {
            try {
                SinkStream.flush(streams);
                ended.complete(Done.getInstance());
            } catch (IOException e) {
                ended.completeExceptionally(e);
            }
        }
    }
}
