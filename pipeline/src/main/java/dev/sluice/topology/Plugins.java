// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigUtil;
import dev.sluice.device.DeviceProtocolFactory;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Problems;
import dev.sluice.filter.Settings;
import dev.sluice.flow.FlowFactory;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The types of filters, flows and protocols that there are: those that ship, and those of the user's jars. Whatever a jar
 * does wrong is a problem of the configuration, with a sentence of its own, and nothing else stops for it.
 */
final class Plugins {

    /** ServiceLoader promises to go on after a class that cannot be loaded, but not for how long. */
    private static final int MOST_FAILURES = 100;

    private final Map<String, FilterFactory> filters = new TreeMap<>();
    private final Map<String, FlowFactory> flows = new TreeMap<>();
    private final Map<String, DeviceProtocolFactory> protocols = new TreeMap<>();
    private Config reference = ConfigFactory.empty();

    /** Loads what the folder named by {@code plugins} has. The jars stay open for as long as the process runs. */
    void load(Settings global) {
        ClassLoader own = Plugins.class.getClassLoader();
        List<URL> jars = jars(global);
        ClassLoader loader = jars.isEmpty() ? own : new URLClassLoader("plugins", jars.toArray(new URL[0]), own);
        try {
            reference = ConfigFactory.defaultReference(loader);
        } catch (ConfigException e) {
            global.problem("plugins", "has a jar whose reference.conf cannot be read: " + e.getMessage());
        }
        load(global, FilterFactory.class, loader, FilterFactory::type, filters);
        load(global, FlowFactory.class, loader, FlowFactory::type, flows);
        load(global, DeviceProtocolFactory.class, loader, DeviceProtocolFactory::protocol, protocols);
        for (String type : flows.keySet()) {
            if (filters.containsKey(type)) {
                global.problem("plugins", "has a flow and a filter of type \"" + type + "\": rename one");
            }
        }
    }

    /** A relative path counts from where Sluice is installed, as its script says; else from where it was started. */
    private static List<URL> jars(Settings global) {
        Path folder = TopologyReader.path(global, "plugins");
        Path base = Path.of(System.getProperty("sluice.home", ""));
        Path resolved = base.resolve(folder);
        if (!Files.isDirectory(resolved)) {
            if (global.written("plugins")) {
                global.problem(
                        "plugins",
                        "is \"" + folder + "\", which is not a folder (" + resolved.toAbsolutePath()
                                + "): name the one with your jars, or leave it out");
            }
            return List.of();
        }
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> jars = Files.newDirectoryStream(resolved, "*.jar")) {
            jars.forEach(found::add);
        } catch (IOException e) {
            global.problem("plugins", "is \"" + folder + "\", which cannot be read: " + e.getMessage());
        }
        return found.stream().sorted().map(Plugins::url).toList();
    }

    private static URL url(Path jar) {
        try {
            return jar.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new IllegalStateException(e); // a file always has one
        }
    }

    private static <F> void load(
            Settings global, Class<F> kind, ClassLoader loader, Function<F, String> typeOf, Map<String, F> into) {
        Iterator<F> providers = ServiceLoader.load(kind, loader).iterator();
        for (int failures = 0; failures < MOST_FAILURES; ) {
            try {
                if (!providers.hasNext()) {
                    return;
                }
                F factory = providers.next();
                @Nullable String type = typeOf.apply(factory);
                if (type == null || type.isBlank()) {
                    global.problem("plugins", "has " + factory.getClass().getName() + ", which has no type");
                } else {
                    F before = into.putIfAbsent(type, factory);
                    if (before != null) {
                        global.problem(
                                "plugins",
                                "has " + factory.getClass().getName() + " of type \"" + type + "\", which "
                                        + before.getClass().getName() + " has already: rename one");
                    }
                }
            } catch (ServiceConfigurationError | LinkageError | RuntimeException e) {
                failures++;
                Throwable cause = e.getCause();
                global.problem(
                        "plugins",
                        "has a " + kind.getSimpleName() + " that cannot be loaded: " + e.getMessage()
                                + (cause == null ? "" : ": " + cause));
            }
        }
    }

    Set<String> filterTypes() {
        Set<String> types = new TreeSet<>(filters.keySet());
        types.addAll(flows.keySet());
        return types;
    }

    /** What a jar's own reference.conf has at sluice.defaults.SECTION.TYPE. */
    ConfigObject defaults(String section, String type) {
        String path = ConfigUtil.joinPath("sluice", "defaults", section, type);
        return reference.hasPath(path)
                ? reference.getObject(path)
                : ConfigFactory.empty().root();
    }

    /** Configures a filter or flow; nothing if that failed, which is a problem then. */
    Optional<Topology.FilterNode> filter(Topology.Node node, String type, List<String> from, Settings settings) {
        FilterFactory filter = filters.get(type);
        if (filter != null) {
            return configured(settings, type, () -> filter.configure(settings))
                    .map(maker -> new Topology.OfFilter(node, from, maker));
        }
        FlowFactory flow = flows.get(type);
        return flow == null
                ? Optional.empty()
                : configured(settings, type, () -> flow.configure(settings))
                        .map(maker -> new Topology.OfFlow(node, from, maker));
    }

    /** The protocol that a source of type mapped names. */
    DeviceProtocolFactory.Opener protocol(Settings settings) {
        String name = settings.text("protocol");
        DeviceProtocolFactory factory = protocols.get(name);
        DeviceProtocolFactory.Opener none = (device, buffers, bufferBytes) -> {
            throw new IOException("there is no protocol " + name);
        };
        if (factory != null) {
            return configured(settings, name, () -> factory.configure(settings)).orElse(none);
        }
        if (!name.isBlank() && !name.equals(Settings.MISSING)) {
            settings.problem(
                    "protocol",
                    name,
                    "is \"" + name + "\", which no jar in the plugins folder has; "
                            + (protocols.isEmpty()
                                    ? "there are none"
                                    : "there are " + String.join(", ", protocols.keySet()))
                            + Problems.suggestion(name, protocols.keySet()));
        }
        return none;
    }

    private static <T> Optional<T> configured(Settings settings, String type, Supplier<@Nullable T> configure) {
        String why;
        try {
            T made = configure.get();
            if (made != null) {
                return Optional.of(made);
            }
            why = "returned null";
        } catch (RuntimeException | LinkageError | StackOverflowError e) {
            why = "failed: " + e;
        }
        settings.problem("type", type, "is \"" + type + "\", whose factory " + why);
        return Optional.empty();
    }
}
