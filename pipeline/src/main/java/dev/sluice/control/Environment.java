// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import dev.sluice.device.DriverDevice;
import dev.sluice.filter.Filter;
import dev.sluice.filter.Problems;
import dev.sluice.topology.Topology;
import dev.sluice.transport.RotatingFile;
import dev.sluice.transport.TransportChoice;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.Session;
import dev.sluice.wire.TlsFiles;
import java.io.IOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/** Whether the machine has what a topology asks for. Looks, and changes nothing. */
public final class Environment {

    private final Topology topology;
    private final Problems problems = new Problems();

    private Environment(Topology topology) {
        this.topology = topology;
    }

    /** What is missing, each at the line that asks for it. */
    public static List<Problems.Problem> problems(Topology topology) {
        return problems(topology, source -> true, sink -> true);
    }

    /** What is missing for the nodes that are not in a topology that runs; its devices are open, and so they are there. */
    public static List<Problems.Problem> problems(Topology topology, Topology running) {
        Map<String, ConfigValue> before = running.nodes();
        Set<Path> open = new HashSet<>();
        for (Topology.Source source : running.sources()) {
            if (source instanceof Topology.Driver driver) {
                open.add(driver.settings().path());
            }
        }
        return problems(
                topology,
                source -> !source.node().written().equals(before.get(source.name()))
                        && !(source instanceof Topology.Driver driver
                                && open.contains(driver.settings().path())),
                sink -> !sink.node().written().equals(before.get(sink.name())));
    }

    private static List<Problems.Problem> problems(
            Topology topology, Predicate<Topology.Source> sources, Predicate<Topology.Sink> sinks) {
        Environment environment = new Environment(topology);
        topology.sources().stream().filter(sources).forEach(environment::check);
        topology.filters().forEach(environment::check);
        topology.sinks().stream().filter(sinks).forEach(environment::check);
        return environment.problems.sorted();
    }

    private void check(Topology.Source source) {
        switch (source) {
            case Topology.Driver driver -> checkDriver(driver);
            case Topology.Replay replay -> checkFile(source, replay.settings().path());
            case Topology.Mapped mapped -> checkDevice(source, mapped.settings().path());
            case Topology.Simulated simulated -> {} // memory is asked for when it starts
        }
    }

    private void checkDriver(Topology.Driver driver) {
        try {
            boolean byReference = DriverDevice.probe(driver.settings().path());
            if (!byReference && sendsByReference(driver.name())) {
                problem(
                        "sources",
                        driver.node(),
                        "device",
                        driver.settings().path() + " has memory that the network cannot send by reference, as its "
                                + "driver says: write transport = copy in its sinks, or mend the driver");
            }
        } catch (IOException e) {
            problem("sources", driver.node(), "device", String.valueOf(e.getMessage()));
        }
    }

    private boolean sendsByReference(String source) {
        return topology.sinks().stream()
                .anyMatch(sink -> sink instanceof Topology.SocketSink tcp
                        && tcp.transport().choice() != TransportChoice.COPY
                        && topology.streams(sink.name()).stream()
                                .anyMatch(stream -> stream.source().equals(source)));
    }

    private void checkFile(Topology.Source source, Path path) {
        try {
            String wrong = !Files.exists(path)
                    ? "does not exist"
                    : !Files.isRegularFile(path)
                            ? "is not a regular file"
                            : !Files.isReadable(path)
                                    ? "cannot be read by this user"
                                    : Files.size(path) == 0 ? "is empty" : "";
            if (!wrong.isEmpty()) {
                problem("sources", source.node(), "path", path + " " + wrong);
            }
        } catch (IOException e) {
            problem("sources", source.node(), "path", path + " cannot be looked at: " + e.getMessage());
        }
    }

    private void checkDevice(Topology.Source source, Path path) {
        if (!Files.exists(path)) {
            problem("sources", source.node(), "device", path + " does not exist: is its driver loaded?");
        } else if (!Files.isReadable(path) || !Files.isWritable(path)) {
            problem("sources", source.node(), "device", path + " must be readable and writable for this user");
        }
    }

    /** Made once and closed: what a filter needs (a table, a library) may not be there. */
    private void check(Topology.FilterNode node) {
        if (!(node instanceof Topology.OfFilter ofFilter)) {
            return; // a flow may connect to something when it is made
        }
        try (Filter filter = ofFilter.maker().get()) {
            if (filter == null) {
                problem("filters", node.node(), "type", "its factory made no filter, but null");
            }
        } catch (RuntimeException | LinkageError | StackOverflowError e) {
            problem("filters", node.node(), "type", "it cannot be made: " + e);
        }
    }

    private void check(Topology.Sink sink) {
        checkSecrets(sink);
        switch (sink) {
            case Topology.TcpSink tcp -> {
                try {
                    InetAddress.getByName(tcp.host());
                } catch (UnknownHostException e) {
                    problem("sinks", sink.node(), "connect", "the name " + tcp.host() + " is not known");
                }
            }
            case Topology.ListenSink listen -> checkAddress(listen);
            case Topology.FileSink file -> checkFile(file);
            case Topology.DiscardSink discard -> {}
        }
    }

    private void checkSecrets(Topology.Sink sink) {
        Session session = sink.session();
        KeyFile key = session == null ? null : session.key();
        if (key != null) {
            try {
                key.read();
            } catch (IOException e) {
                problem("sinks", sink.node(), "auth.key-file", String.valueOf(e.getMessage()));
            }
        }
        TlsFiles tls = session == null ? null : session.tls();
        if (tls != null) {
            try {
                tls.check();
            } catch (IOException e) {
                problem("sinks", sink.node(), "tls", String.valueOf(e.getMessage()));
            }
        }
    }

    private void checkAddress(Topology.ListenSink sink) {
        try {
            if (!sink.address().isAnyLocalAddress() && NetworkInterface.getByInetAddress(sink.address()) == null) {
                problem(
                        "sinks",
                        sink.node(),
                        "listen",
                        "this machine has no address " + sink.address().getHostAddress());
            }
        } catch (SocketException e) {
            problem("sinks", sink.node(), "listen", "the addresses of this machine are not known: " + e.getMessage());
        }
    }

    private void checkFile(Topology.FileSink sink) {
        Path path = sink.file().path();
        Path folder = path.toAbsolutePath().getParent();
        String wrong = folder == null || !Files.isDirectory(folder)
                ? "its folder does not exist"
                : Files.isDirectory(path)
                        ? "it is a folder"
                        : !Files.isWritable(Files.exists(path) ? path : folder)
                                ? "this user may not write there"
                                : Files.exists(path) && sink.file().existing() == RotatingFile.Existing.REFUSE
                                        ? "it exists, and existing = refuse"
                                        : "";
        if (!wrong.isEmpty()) {
            problem("sinks", sink.node(), "path", path + ": " + wrong);
        }
    }

    /** @param key with a dot, if it is in a section of the node */
    private void problem(String section, Topology.Node node, String key, String text) {
        ConfigOrigin origin = node.origin();
        if (node.written() instanceof ConfigObject written) {
            Config config = written.toConfig();
            origin = config.hasPath(key) ? config.getValue(key).origin() : origin;
        }
        List<String> keys = new ArrayList<>(List.of("sluice", section, node.name()));
        keys.addAll(ConfigUtil.splitPath(key));
        problems.addKey(origin, keys, section + "." + node.name() + "." + key + ": " + text);
    }
}
