// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.filter.Frame;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.topology.Topology;
import dev.sluice.topology.WhenFull;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.ClosedShape;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Graph;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.SinkShape;
import org.apache.pekko.stream.SourceShape;
import org.apache.pekko.stream.UniformFanInShape;
import org.apache.pekko.stream.UniformFanOutShape;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.GraphDSL;
import org.apache.pekko.stream.javadsl.RunnableGraph;

/**
 * Joins the stages of one pipeline as its topology says: from each source a tree, whose leaves are the streams of the
 * sinks. All of it is fused, and runs in one actor.
 */
public final class PipelineGraph {

    private final StageLife life = new StageLife();
    private final Topology topology;
    private final Map<String, FramePool> pools;
    private final Map<List<String>, Graph<FlowShape<LentFrame, LentFrame>, ?>> filters = new HashMap<>();
    private final Map<String, Graph<SourceShape<LentFrame>, ?>> sources = new LinkedHashMap<>();
    private final Map<String, SinkEntry> sinks = new LinkedHashMap<>();
    private final Map<String, List<String>> takers = new HashMap<>();

    private record SinkEntry(Graph<SinkShape<LentFrame>, ?> stage, List<SinkStream> streams, SinkCounters counters) {}

    /** What comes out of a node, by one way. */
    private record Branch(Outlet<LentFrame> outlet, List<String> way) {}

    /** @param pools of the sources, by name */
    public PipelineGraph(Topology topology, Map<String, FramePool> pools) {
        this.topology = topology;
        this.pools = pools;
        topology.from()
                .forEach((name, from) -> from.forEach(other ->
                        takers.computeIfAbsent(other, o -> new ArrayList<>()).add(name)));
    }

    /** What a source's frames come from. */
    public void source(String name, Graph<SourceShape<LentFrame>, ?> stage) {
        sources.put(name, stage);
    }

    /** What stands for a filter in one stream. */
    public void filter(Topology.Stream stream, FilterRunner runner) {
        filters.put(stream.nodes(), new FilterStage(runner, life));
    }

    /** What stands for a flow in one stream. */
    public void flow(Topology.Stream stream, String name, Function<Consumer<Frame>, Flow<Frame, Frame, ?>> maker) {
        filters.put(stream.nodes(), new FlowStage(name, maker, pool(stream.nodes()), life));
    }

    /**
     * What a sink with several receivers at once is given as its stage.
     *
     * @param slots the stages of all slots, in their order
     */
    public Graph<SinkShape<LentFrame>, NotUsed> receivers(
            Receivers receivers,
            List<SinkStream> streams,
            Duration drainTimeout,
            List<? extends Graph<SinkShape<LentFrame>, ?>> slots) {
        return ReceiversSink.of(receivers, streams, drainTimeout, slots, life);
    }

    /** Where the frames of a sink's streams go. */
    public void sink(
            String name, Graph<SinkShape<LentFrame>, ?> stage, List<SinkStream> streams, SinkCounters counters) {
        sinks.put(name, new SinkEntry(stage, streams, counters));
    }

    /**
     * Starts it. The stages' own values are handed out as the graphs given here say.
     *
     * @param dispatcher name of the one that it runs on
     * @return completes when no stage between sources and sinks will touch a frame any more
     */
    public CompletionStage<Done> run(Materializer materializer, String dispatcher) {
        Graph<ClosedShape, NotUsed> graph = GraphDSL.create(builder -> {
            Map<String, List<Inlet<LentFrame>>> inlets = new HashMap<>();
            sinks.forEach((name, sink) -> inlets.put(name, inlets(builder, name, sink)));
            ArrayDeque<Branch> open = new ArrayDeque<>();
            sources.forEach((name, source) ->
                    open.addLast(new Branch(builder.add(source).out(), List.of(name))));
            while (!open.isEmpty()) {
                grow(builder, open.removeFirst(), inlets, open);
            }
            return ClosedShape.getInstance();
        });
        RunnableGraph.fromGraph(graph)
                .addAttributes(ActorAttributes.dispatcher(dispatcher))
                .run(materializer);
        life.ends();
        return life.ended();
    }

    /** Joins what takes from a branch's end to it, and leaves the branches that begin there. */
    private void grow(
            GraphDSL.Builder<NotUsed> builder,
            Branch branch,
            Map<String, List<Inlet<LentFrame>>> inlets,
            ArrayDeque<Branch> open) {
        List<String> next = takers.getOrDefault(branch.way().getLast(), List.of());
        List<Outlet<LentFrame>> outlets = List.of(branch.outlet());
        if (next.size() > 1) {
            UniformFanOutShape<LentFrame, LentFrame> fork =
                    builder.add(new ForkStage(pool(branch.way()), next.size(), life));
            builder.from(branch.outlet()).toInlet(fork.in());
            outlets = fork.getOutlets().stream().map(PipelineGraph::ofFrames).toList();
        }
        for (int i = 0; i < next.size(); i++) {
            List<String> way = new ArrayList<>(branch.way());
            way.add(next.get(i));
            List<Inlet<LentFrame>> ofSink = inlets.get(next.get(i));
            if (ofSink != null) {
                int number = topology.streams(next.get(i)).indexOf(new Topology.Stream(way));
                builder.from(outlets.get(i)).toInlet(ofSink.get(number));
            } else {
                FlowShape<LentFrame, LentFrame> filter = builder.add(known(filters, way));
                builder.from(outlets.get(i)).toInlet(filter.in());
                open.addLast(new Branch(filter.out(), way));
            }
        }
    }

    @SuppressWarnings("unchecked") // Pekko's list of a shape's ports has lost their type
    static Outlet<LentFrame> ofFrames(Outlet<?> outlet) {
        return (Outlet<LentFrame>) outlet;
    }

    @SuppressWarnings("unchecked") // Pekko's list of a shape's ports has lost their type
    private static Inlet<LentFrame> ofFrames(Inlet<?> inlet) {
        return (Inlet<LentFrame>) inlet;
    }

    private FramePool pool(List<String> way) {
        return known(pools, way.getFirst());
    }

    private static <K, V> V known(Map<K, V> map, K key) {
        V value = map.get(key);
        if (value == null) {
            throw new IllegalArgumentException("nothing was given for " + key);
        }
        return value;
    }

    /** The sink's stage with what stands before it: a merge if it has several streams, a queue if it may drop. */
    private List<Inlet<LentFrame>> inlets(GraphDSL.Builder<NotUsed> builder, String name, SinkEntry sink) {
        Inlet<LentFrame> inlet = builder.add(sink.stage()).in();
        Topology.Input input = topology.sinks().stream()
                .filter(s -> s.name().equals(name))
                .findFirst()
                .orElseThrow()
                .input();
        if (input.whenFull() != WhenFull.BLOCK) {
            FlowShape<LentFrame, LentFrame> drop =
                    builder.add(new DropStage(input.whenFull(), input.queue(), sink.streams(), sink.counters(), life));
            builder.from(drop.out()).toInlet(inlet);
            inlet = drop.in();
        }
        if (sink.streams().size() == 1) {
            return List.of(inlet);
        }
        UniformFanInShape<LentFrame, LentFrame> merge =
                builder.add(new MergeStage(sink.streams().size()));
        builder.from(merge.out()).toInlet(inlet);
        return merge.getInlets().stream().map(PipelineGraph::ofFrames).toList();
    }
}
