// A device that is not the CPU, for tests without one: `elsewhere`.
//
// Its memory is the host's, and its kernels are the CPU's, so that what is computed on it equals what the CPU computes.
// Everything else is as strict as on an accelerator: an operation whose operands lie on different devices is refused,
// but for what CUDA accepts as well (a CPU tensor without axes beside others, CPU indices into a tensor, copies), and so
// is a generator of another device. Memory is counted, and can be made to run out.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

namespace elsewhere {

constexpr auto HERE = c10::DeviceType::PrivateUse1;
std::atomic<bool> available{false};
std::atomic<int64_t> devices{1}, limit{int64_t(64) << 30}, allocated{0}, peak{0};
thread_local c10::DeviceIndex current = 0;

// ---------------------------------------------------------------- memory

struct Block {
  int64_t size;
  c10::DataPtr owner;  // of memory that a CPU kernel has allocated; none where it is our own
};

void take(int64_t size) {
  TORCH_CHECK_WITH(
      OutOfMemoryError,
      allocated + size <= limit,
      "elsewhere out of memory. Tried to allocate ", size, " bytes.");
  allocated += size;
  peak = std::max(peak.load(), allocated.load());
}

void give_back(void* context) {
  auto* block = static_cast<Block*>(context);
  allocated -= block->size;
  delete block;
}

// Memory of the host under the name of a device.
c10::DataPtr renamed(c10::DataPtr owner, int64_t size, c10::DeviceIndex index) {
  take(size);
  void* data = owner.get();
  return {data, new Block{size, std::move(owner)}, &give_back, c10::Device(HERE, index)};
}

struct Memory final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t size) override {
    return renamed(c10::GetCPUAllocator()->allocate(size), size, current);
  }
  void copy_data(void* to, const void* from, size_t size) const override {
    default_copy_data(to, from, size);
  }
  bool initialized() override {
    return true;
  }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    for (auto* each : {&stats.allocated_bytes, &stats.reserved_bytes}) {
      (*each)[0].current = allocated;
      (*each)[0].peak = peak;
    }
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {
    peak = allocated.load();
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override {
    return {limit - allocated, limit.load()};
  }
};
Memory memory;
REGISTER_ALLOCATOR(HERE, &memory)

// ---------------------------------------------------------------- the current device, and streams that do nothing

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override {
    return HERE;
  }
  c10::Device exchangeDevice(c10::Device device) const override {
    auto before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override {
    return {HERE, current};
  }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() < deviceCount(), "elsewhere: there is no device ", device);
    if (device.index() >= 0) current = device.index();
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    current = device.index();
  }
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return getStream(device);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    return getStream(device);
  }
  c10::Stream getNewStream(c10::Device device, int) const override {
    return getStream(device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return stream;
  }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override {
    return true;
  }
  bool queryStream(const c10::Stream&) const override {
    return true;
  }
  void synchronizeStream(const c10::Stream&) const override {}
  void synchronizeEvent(void*) const override {}
  void synchronizeDevice(const c10::DeviceIndex) const override {}
  c10::DeviceIndex deviceCount() const noexcept override {
    return devices.load();
  }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

// ---------------------------------------------------------------- random numbers, from generators of the device's own

std::mutex twins_mutex;
std::map<const c10::GeneratorImpl*, at::Generator> twins;  // a CPU generator for each of the device's

struct Draws final : at::CPUGeneratorImpl {
  explicit Draws(c10::DeviceIndex index) : at::CPUGeneratorImpl() {
    device_ = c10::Device(HERE, index);
  }
  void set_current_seed(uint64_t seed) override;
};

at::Generator twin(const c10::GeneratorImpl* draws) {
  std::lock_guard<std::mutex> lock(twins_mutex);
  auto& found = twins[draws];
  if (!found.defined()) found = at::detail::createCPUGenerator();
  return found;
}

void Draws::set_current_seed(uint64_t seed) {
  at::CPUGeneratorImpl::set_current_seed(seed);
  auto found = twin(this);
  std::lock_guard<std::mutex> lock(found.mutex());
  found.set_current_seed(seed);
}

const at::Generator& default_generator(c10::DeviceIndex index) {
  static std::vector<at::Generator> all = [] {
    std::vector<at::Generator> made;
    for (int number = 0; number < 8; number++) made.push_back(at::make_generator<Draws>(number));
    return made;
  }();
  return all.at(index < 0 ? current : index);
}

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override {
    return true;
  }
  bool isAvailable() const override {
    return available;
  }
  c10::DeviceIndex deviceCount() const override {
    return devices.load();
  }
  c10::DeviceIndex getCurrentDevice() const override {
    return current;
  }
  void setCurrentDevice(c10::DeviceIndex device) const override {
    Guard().setDevice({HERE, device});
  }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex device) const override {
    return Guard().exchangeDevice({HERE, device}).index();
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex device) const override {
    return exchangeDevice(device);
  }
  bool hasPrimaryContext(c10::DeviceIndex) const override {
    return true;
  }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex device) const override {
    return default_generator(device);
  }
  at::Generator getNewGenerator(c10::DeviceIndex device) const override {
    return at::make_generator<Draws>(device < 0 ? current : device);
  }
  c10::Allocator* getPinnedMemoryAllocator() const override {
    return c10::GetCPUAllocator();
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t size) const override {
    auto data = renamed(c10::GetCPUAllocator()->allocate(size), size, storage.device().index());
    if (storage.nbytes()) memory.copy_data(data.get(), storage.data(), std::min(size, storage.nbytes()));
    storage.unsafeGetStorageImpl()->set_data_ptr(std::move(data));
    storage.unsafeGetStorageImpl()->set_nbytes(size);
  }
};
Hooks hooks;

// ---------------------------------------------------------------- tensors under another name

c10::intrusive_ptr<c10::StorageImpl> storage_of(c10::DataPtr data, size_t size, c10::Allocator* allocator) {
  return c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), size, std::move(data), allocator, true);
}

at::Tensor placed_as(at::Tensor made, const at::Tensor& like) {
  auto* impl = made.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides());
  impl->set_storage_offset(like.storage_offset());
  return made;
}

at::Tensor tensor_of(c10::Storage storage, c10::DispatchKey key, const at::Tensor& like) {
  auto keys = c10::DispatchKeySet(key);
  return placed_as(at::detail::make_tensor<c10::TensorImpl>(std::move(storage), keys, like.dtype()), like);
}

// With the keys of what it is a view of: so it is one that gradients know, or one of inference, as that is.
at::Tensor view_of(const at::Tensor& base, const at::Tensor& like) {
  auto storage = base.storage();
  auto keys = base.key_set();
  auto made = at::detail::make_tensor<c10::TensorImpl>(
      c10::TensorImpl::VIEW, std::move(storage), keys, like.dtype());
  return placed_as(std::move(made), like);
}

void drop_storage(void* context) {
  delete static_cast<c10::Storage*>(context);
}

// The same memory as a tensor of the CPU.
at::Tensor on_cpu(const at::Tensor& tensor) {
  auto* held = new c10::Storage(tensor.storage());
  void* data = const_cast<void*>(held->data());
  c10::DataPtr pointer(data, held, &drop_storage, c10::Device(c10::kCPU));
  auto storage = storage_of(std::move(pointer), held->nbytes(), c10::GetCPUAllocator());
  return tensor_of(c10::Storage(storage), c10::DispatchKey::CPU, tensor);
}

// What a kernel of the CPU has made, as a tensor of the device; a storage that several share is renamed once.
at::Tensor on_device(
    const at::Tensor& tensor, c10::DeviceIndex index, std::map<const void*, c10::Storage>& known) {
  const void* key = tensor.storage().unsafeGetStorageImpl();
  auto found = known.find(key);
  if (found == known.end()) {
    auto* held = new c10::Storage(tensor.storage());
    void* data = const_cast<void*>(held->data());
    auto size = static_cast<int64_t>(held->nbytes());
    c10::DataPtr owner(data, held, &drop_storage, c10::Device(c10::kCPU));
    auto storage = storage_of(renamed(std::move(owner), size, index), size, &memory);
    found = known.emplace(key, c10::Storage(storage)).first;
  }
  return tensor_of(found->second, c10::DispatchKey::PrivateUse1, tensor);
}

// ---------------------------------------------------------------- the rules, and all kernels

bool has_no_axes(const at::Tensor& tensor) {
  return tensor.dim() == 0;
}

// What CUDA's kernels take CPU tensors without axes in, besides pointwise ones.
const std::set<std::string> SCALARS_TOO = {
    "aten::where", "aten::index_put_", "aten::_index_put_impl_", "aten::masked_fill_", "aten::masked_fill", "aten::fill_",
    "aten::index_fill_", "aten::lerp_", "aten::lerp", "aten::clamp", "aten::div_", "aten::mul_", "aten::add_", "aten::sub_",
    "aten::_foreach_mul_", "aten::_foreach_div_"};
const std::set<std::string> INDICES_TOO = {
    "aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::_unsafe_index", "aten::index_put"};

void refuse(const c10::OperatorHandle& op, c10::Device one, c10::Device other) {
  TORCH_CHECK(
      false, "Expected all tensors to be on the same device, but found at least two devices, ", one, " and ", other,
      "! (in ", op.schema().operator_name(), ")");
}

struct Call {
  const c10::OperatorHandle& op;
  c10::Device device;
  std::vector<std::pair<at::Tensor, at::Tensor>> renamed;  // of the device -> the same on the CPU

  at::Tensor argument(const at::Tensor& tensor, bool may_be_scalar, bool is_index, bool is_written) {
    if (!tensor.defined()) return tensor;
    if (tensor.device() != device) {
      bool is_cpu = tensor.device().is_cpu();
      bool is_number = tensor.unsafeGetTensorImpl()->is_wrapped_number();
      if (!is_cpu || is_written || !(is_index || is_number || (may_be_scalar && has_no_axes(tensor)))) {
        refuse(op, device, tensor.device());
      }
      return tensor;
    }
    for (auto& [mine, cpu] : renamed) {
      if (mine.is_same(tensor)) return cpu;
    }
    auto cpu = on_cpu(tensor);
    renamed.emplace_back(tensor, cpu);
    return cpu;
  }

  // Takes over what a kernel has done to an argument beyond its numbers: another size, or another memory.
  void settle() {
    for (auto& [mine, cpu] : renamed) {
      auto* impl = mine.unsafeGetTensorImpl();
      if (cpu.storage().data() != mine.storage().data()) {
        auto size = static_cast<int64_t>(cpu.storage().nbytes());
        auto* held = new c10::Storage(cpu.storage());
        c10::DataPtr owner(const_cast<void*>(held->data()), held, &drop_storage, c10::Device(c10::kCPU));
        auto* storage = mine.storage().unsafeGetStorageImpl();
        storage->set_data_ptr(elsewhere::renamed(std::move(owner), size, device.index()));
        storage->set_nbytes(size);
      }
      if (cpu.sizes() != mine.sizes() || cpu.strides() != mine.strides()) {
        impl->set_sizes_and_strides(cpu.sizes(), cpu.strides());
        impl->set_storage_offset(cpu.storage_offset());
      }
    }
  }

  at::Tensor result(const at::Tensor& tensor, std::map<const void*, c10::Storage>& known) {
    if (!tensor.defined() || !tensor.device().is_cpu()) return tensor;
    for (auto& [mine, cpu] : renamed) {
      if (cpu.is_same(tensor)) return mine;
    }
    for (auto& [mine, cpu] : renamed) {
      if (cpu.storage().is_alias_of(tensor.storage())) {  // a view
        return view_of(mine, tensor);
      }
    }
    return on_device(tensor, device.index(), known);
  }
};

std::optional<c10::Device> device_among(const c10::IValue& value) {
  auto of = [](const at::Tensor& tensor) -> std::optional<c10::Device> {
    if (tensor.defined() && tensor.device().type() == HERE) return tensor.device();
    return std::nullopt;
  };
  if (value.isTensor()) return of(value.toTensor());
  if (value.isTensorList()) {
    for (const at::Tensor& each : value.toTensorVector()) {
      if (auto found = of(each)) return found;
    }
  } else if (value.isList()) {
    for (const c10::IValue& each : value.toListRef()) {
      if (each.isTensor()) {
        if (auto found = of(each.toTensor())) return found;
      }
    }
  }
  return std::nullopt;
}

void compute(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const auto count = schema.arguments().size();
  const auto first = stack->size() - count;
  std::optional<c10::Device> device;
  for (size_t place = 0; place < count && !device; place++) device = device_among((*stack)[first + place]);
  if (!device) device = c10::Device(HERE, current);

  Call call{op, *device, {}};
  bool scalars = op.hasTag(at::Tag::pointwise) || SCALARS_TOO.count(schema.name());
  bool indices = INDICES_TOO.count(schema.name());
  for (size_t place = 0; place < count; place++) {
    const auto& argument = schema.arguments()[place];
    auto& value = (*stack)[first + place];
    bool written = argument.alias_info() && argument.alias_info()->isWrite();
    bool index = indices && argument.name() == "indices";
    if (value.isTensor()) {
      value = call.argument(value.toTensor(), scalars, index, written);
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> some;
      for (const at::Tensor& each : value.toTensorVector()) some.push_back(call.argument(each, scalars, index, written));
      value = some;
    } else if (value.isList() && argument.type()->str().find("Tensor") != std::string::npos) {
      auto some = c10::List<std::optional<at::Tensor>>();
      for (const c10::IValue& each : value.toListRef()) {
        some.push_back(
            each.isTensor() ? std::make_optional(call.argument(each.toTensor(), scalars, index, written))
                            : std::nullopt);
      }
      value = some;
    } else if (value.isGenerator()) {
      auto generator = value.toGenerator();
      TORCH_CHECK(
          !generator.defined() || generator.device() == *device, "Expected a '", *device,
          "' device type for generator but found '", generator.device(), "'");
      value = twin((generator.defined() ? generator : default_generator(device->index())).unsafeGetGeneratorImpl());
    } else if (value.isNone() && argument.type()->str().find("Generator") != std::string::npos) {
      value = twin(default_generator(device->index()).unsafeGetGeneratorImpl());
    } else if (value.isDevice()) {
      value = c10::Device(c10::kCPU);
    }
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  call.settle();
  std::map<const void*, c10::Storage> known;
  const auto results = schema.returns().size(), start = stack->size() - results;
  for (size_t place = 0; place < results; place++) {
    auto& value = (*stack)[start + place];
    if (value.isTensor()) {
      value = call.result(value.toTensor(), known);
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> some;
      for (const at::Tensor& each : value.toTensorVector()) some.push_back(call.result(each, known));
      value = some;
    }
  }
}

// ---------------------------------------------------------------- what makes, copies and resizes tensors

at::Tensor empty(
    c10::IntArrayRef size,
    std::optional<at::ScalarType> type,
    std::optional<at::Layout>,
    std::optional<at::Device> device,
    std::optional<bool>,
    std::optional<at::MemoryFormat> format) {
  c10::DeviceGuard guard(device && device->has_index() ? *device : c10::Device(HERE, current));
  return at::detail::empty_generic(
      size, &memory, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(
    c10::IntArrayRef size,
    c10::IntArrayRef stride,
    std::optional<at::ScalarType> type,
    std::optional<at::Layout>,
    std::optional<at::Device> device,
    std::optional<bool>) {
  c10::DeviceGuard guard(device && device->has_index() ? *device : c10::Device(HERE, current));
  return at::detail::empty_strided_generic(
      size, stride, &memory, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(type));
}

at::Tensor here(const at::Tensor& tensor) {
  return tensor.device().type() == HERE ? on_cpu(tensor) : tensor;
}

at::Tensor copy_from(const at::Tensor& self, const at::Tensor& to, bool) {
  here(to).copy_(here(self));
  return to;
}

const at::Tensor& resize_(
    const at::Tensor& self, c10::IntArrayRef size, std::optional<at::MemoryFormat>) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_sizes_contiguous(size);
  auto needed = static_cast<size_t>((impl->numel() + impl->storage_offset()) * self.element_size());
  if (self.storage().nbytes() < needed) hooks.resizePrivateUse1Bytes(self.storage(), needed);
  return self;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& to) {
  if (self.sizes() != to.sizes()) resize_(to, self.sizes(), std::nullopt);
  return copy_from(self, to, false);
}

at::Tensor& set_storage(
    at::Tensor& self, at::Storage source, int64_t offset, c10::IntArrayRef size, c10::IntArrayRef stride) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(source));
  impl->set_storage_offset(offset);
  if (stride.empty() && !size.empty()) {
    impl->set_sizes_contiguous(size);
  } else {
    impl->set_sizes_and_strides(size, stride);
  }
  return self;
}

at::Tensor& set_whole_storage(at::Tensor& self, at::Storage source) {
  int64_t count = source.nbytes() / self.element_size();
  return set_storage(self, std::move(source), 0, {count}, {});
}

at::Tensor& set_tensor(at::Tensor& self, const at::Tensor& source) {
  if (source.device() != self.device()) {
    TORCH_CHECK(false, "set_: source and self must lie on the same device");
  }
  return set_storage(self, source.storage(), source.storage_offset(), source.sizes(), source.strides());
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("resize_", &resize_);
  m.impl("set_.source_Storage_storage_offset", &set_storage);
  m.impl("set_.source_Storage", &set_whole_storage);
  m.impl("set_.source_Tensor", &set_tensor);
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFallthrough());
}

// As on CUDA: products in the narrow type; what sums many numbers in float32.
TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  KERNEL_PRIVATEUSEONE(mm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(addmm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(bmm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(baddbmm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(linear, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(matmul, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(scaled_dot_product_attention, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(layer_norm, fp32)
}

void seed(int64_t value) {
  for (int index = 0; index < 8; index++) {
    auto generator = default_generator(index);
    generator.set_current_seed(static_cast<uint64_t>(value));
  }
}

TORCH_LIBRARY(elsewhere, m) {
  m.def("seed(int value) -> ()", &seed);
  m.def("set_available(bool value) -> ()", [](bool value) { available = value; });
  m.def("set_devices(int count) -> ()", [](int64_t count) { devices = count; });
  m.def("set_limit(int bytes) -> ()", [](int64_t bytes) { limit = bytes; });
  m.def("devices() -> int", []() -> int64_t { return devices; });
  m.def("allocated() -> int", []() -> int64_t { return allocated; });
  m.def("on_cpu(Tensor tensor) -> Tensor");
}

TORCH_LIBRARY_IMPL(elsewhere, PrivateUse1, m) {
  m.impl("on_cpu", &on_cpu);
}

struct Registered {
  Registered() {
    at::RegisterPrivateUse1HooksInterface(&hooks);
  }
} registered;

} // namespace elsewhere
