// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.metrics.PipelineCounters;
import dev.sluice.metrics.Summary;
import dev.sluice.topology.Topology;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;

/** The root of the actors: starts the pipeline, passes on the wish to stop, and ends with it. */
final class Guardian extends AbstractBehavior<Guardian.Message> {

    /** What it understands. */
    sealed interface Message {}

    /** Stop, but finish what was begun. */
    record Drain() implements Message {}

    private record Ended(Outcome outcome) implements Message {}

    private final ActorRef<Pipeline.Message> pipeline;
    private final PipelineCounters counters;
    private final CompletableFuture<Outcome> outcome;

    static Behavior<Message> create(Topology topology, PipelineCounters counters, CompletableFuture<Outcome> outcome) {
        return Behaviors.setup(context -> new Guardian(context, topology, counters, outcome));
    }

    private Guardian(
            ActorContext<Message> context,
            Topology topology,
            PipelineCounters counters,
            CompletableFuture<Outcome> outcome) {
        super(context);
        this.counters = counters;
        this.outcome = outcome;
        ActorRef<Outcome> ended = context.messageAdapter(Outcome.class, Ended::new);
        pipeline = context.spawn(Pipeline.create(topology, counters, ended), "pipeline");
        context.watch(pipeline);
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Drain.class, this::onDrain)
                .onMessage(Ended.class, this::onEnded)
                .onSignal(Terminated.class, this::onPipelineGone)
                .build();
    }

    private Behavior<Message> onDrain(Drain drain) {
        pipeline.tell(new Pipeline.Drain());
        return this;
    }

    private Behavior<Message> onEnded(Ended ended) {
        outcome.complete(ended.outcome());
        return Behaviors.stopped();
    }

    /** Only if it died without a word, which is a defect; whoever waits for the outcome must not wait for ever. */
    private Behavior<Message> onPipelineGone(Terminated gone) {
        Summary summary = Summary.of(counters, counters.device(), 0, Duration.ZERO);
        outcome.complete(new Outcome(summary, new IllegalStateException("the pipeline's actor died; see the log")));
        return Behaviors.stopped();
    }
}
